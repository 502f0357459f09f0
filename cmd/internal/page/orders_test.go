package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// The limits of a cluster's resources are on its page, those of a route on the route's, and neither
// on another one. However many there are, a page stays small.
func TestLimitsOnPages(t *testing.T) {
	route := "http://alerts/in"
	set := []api.LimitsOrder{
		{Target: api.Target{Cluster: "prod-00001", Resource: "pods"}, QPS: new(0.5), Order: api.Order{By: "anna", Reason: "a job writes thousands"}},
		{Target: api.Target{Cluster: "prod-00002", Resource: "pods"}, QPS: new(7.5)},
		{Target: api.Target{Route: route}, QPS: new(12.5), Order: api.Order{By: "ben", Reason: "it is weak"}},
	}
	for i := range 2 * mostRows {
		set = append(set, api.LimitsOrder{Target: api.Target{Cluster: "prod-00000", Resource: fmt.Sprintf("r%d.example.com", i)}, QPS: new(1.0)})
	}
	p := newTestPage(t, func(now time.Time) api.Status {
		s := fleetOf(3, now)
		s.Limits = slices.Clone(set)
		return s
	})
	p.keeper.snapshot()
	of := "/status/routes/" + url.PathEscape(route)
	for _, tc := range []struct {
		path      string
		want, not []string
	}{
		{"/status/clusters/prod-00001", []string{"The limits of pods of prod-00001: 0.5 changes per second", "by anna: a job writes thousands"}, []string{"7.5 changes", "13 changes"}},
		{"/status/clusters/prod-00000", []string{"The limits of r0.example.com of prod-00000", fmt.Sprintf("And the limits of %d resources more", mostRows)}, []string{"0.5 changes"}},
		{of, []string{"The limits of the route " + route + ": 13 changes per second", "by ben: it is weak"}, []string{"0.5 changes"}},
		{"/status/routes/" + url.PathEscape("postgres://db/changes"), nil, []string{"The limits of"}},
	} {
		got := words(answered(t, p, tc.path, http.StatusOK))
		for _, want := range tc.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q:\n%s", tc.path, want, got)
			}
		}
		for _, not := range tc.not {
			if strings.Contains(got, not) {
				t.Errorf("%s says %q", tc.path, not)
			}
		}
	}
	var c api.ClusterDetail
	var r api.RouteDetail
	for path, to := range map[string]any{"/status/clusters/prod-00001": &c, of: &r} {
		if err := json.Unmarshal([]byte(answered(t, p, path, http.StatusOK, "Accept", "application/json")), to); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.StreamOrders) != 1 || c.StreamOrders[0].Resource != "pods" || c.Order != nil || r.Order == nil || r.Order.Rate() != 12.5 {
		t.Errorf("as JSON: %+v, %+v", c.StreamOrders, r.Order)
	}
}
