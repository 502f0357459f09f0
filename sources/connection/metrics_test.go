package connection

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/sources/member"
)

func TestMetrics(t *testing.T) {
	list := []Status{
		{
			Cluster: "a", State: member.Live, Probes: map[string]uint64{"ok": 3}, ClusterUID: "u-1", ServerVersion: "v1.37.0",
			Credential: "token", CredentialIssued: time.Unix(1000, 0), CredentialExpires: time.Unix(4600, 0),
		},
		{Cluster: "b", State: member.BackingOff, Attempt: 4, Probes: map[string]uint64{"ok": 1, "timeout": 4}, ReachabilityProbes: map[string]uint64{"unanswered": 7}, Reconnects: map[string]uint64{"timeout": 1}},
	}
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(NewCollector(func() []Status { return list })); err != nil {
		t.Fatal(err)
	}
	gather := func() []string {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, f := range families {
			for _, m := range f.GetMetric() {
				value := m.GetGauge().GetValue() + m.GetCounter().GetValue()
				if value == 0 {
					continue
				}
				var labels []string
				for _, l := range m.GetLabel() {
					labels = append(labels, l.GetValue())
				}
				out = append(out, fmt.Sprintf("%s %s %v", strings.TrimPrefix(strings.TrimPrefix(f.GetName(), "fairlead_"), "connection_"), strings.Join(labels, "/"), value))
			}
		}
		return out
	}
	want := []string{
		"cluster_credentials_expiry_timestamp_seconds a/token 4600", "cluster_credentials_lifetime_seconds a/token 3600",
		"cluster_info a/v1.37.0/u-1 1",
		"attempt b 4",
		"clusters backing off 1", "clusters live 1",
		"probes_total a/ok 3", "probes_total b/ok 1", "probes_total b/timeout 4",
		"reachability_probes_total b/unanswered 7",
		"reconnects_total b/timeout 1",
		"state a/live 1", "state b/backing off 1",
	}
	if diff := cmp.Diff(want, gather()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	list = list[:1]
	for _, line := range gather() {
		if strings.Contains(line, " b ") || strings.Contains(line, " b/") {
			t.Errorf("a removed member's series is left: %s", line)
		}
	}
}
