/* SPDX-License-Identifier: BSD-3-Clause */
/* Packages are alike: the smallest unit and the highest limit hold for all. */
#include "sensor/rapl_domains.h"

#include <math.h>

#include "common/scope.h"
#include "sensor/msr_registers.h"
#include "sensor/peak_power.h"
#include "sensor/powercap_zones.h"

void rapl_domains_find(struct rapl_domain ret_domains[static DOMAIN_COUNT], const struct host *host,
                       const struct topology *topology)
{
    const struct msr_model *model =
        msr_model_find(topology->vendor, topology->family, topology->model);
    SCOPED(scope_free) struct powercap_zone *zones = NULL;
    int n_zones = powercap_zones_find(host, topology->vendor, &zones);
    for (int d = 0; d < DOMAIN_COUNT; d++) {
        struct rapl_domain *domain = &ret_domains[d];
        double limit_w = NAN;
        domain->unit_uj = NAN;
        for (int i = 0; i < n_zones; i++) {
            if ((int)zones[i].domain != d)
                continue;
            domain->unit_uj = fmin(domain->unit_uj, zones[i].unit_uj);
            limit_w = fmax(limit_w, zones[i].limit_w);
        }
        domain->peak_w = peak_power_w(model, (enum domain)d, limit_w);
    }
    if (isnan(ret_domains[DOMAIN_PSYS].unit_uj) && model && model->psys_unit_uj > 0)
        ret_domains[DOMAIN_PSYS].unit_uj = model->psys_unit_uj;
}
