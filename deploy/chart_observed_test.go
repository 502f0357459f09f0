package deploy

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-dev/fairlead/internal/testhelm"
	"github.com/fairlead-dev/fairlead/internal/testprom"
)

// templated returns the objects of a kind that the chart makes of values for a release.
func templated(t *testing.T, namespace, release, kind, values string) []*unstructured.Unstructured {
	t.Helper()
	path := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(path, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := testhelm.Run(t.Context(), testhelm.Require(t), "template", release, "charts/fairlead", "--namespace="+namespace, "--values="+path)
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(documents(t, text), func(o *unstructured.Unstructured) bool { return o.GetKind() != kind })
}

// One Grafana may have the dashboards of several releases: nothing of one takes the place of
// another's, and each shows its own release first.
func TestDashboardsOfSeveralReleases(t *testing.T) {
	chartFiles(t)
	type chosen struct{ Text, Value any }
	all, one := chosen{"All", "$__all"}, func(names ...any) chosen { return chosen{names, names} }
	seen := map[string]string{}
	for _, tc := range []struct {
		namespace, release, values string
		jobs, in                   chosen
	}{
		{"events", "fairlead", "", all, all},
		{"events", "other", "serviceMonitor: {enabled: true}", one("other-fairlead"), one("events")},
		{"shop", "fairlead", "podMonitor: {enabled: true}", one("shop/fairlead"), one("shop")},
		{"shop", "other", "serviceMonitor: {enabled: true}\npodMonitor: {enabled: true}", one("other-fairlead", "shop/other-fairlead"), one("shop")},
		{"shop", "third", "serviceMonitor: {enabled: true, relabelings: [{targetLabel: job, replacement: mine}]}", all, all},
	} {
		maps := templated(t, tc.namespace, tc.release, "ConfigMap", "dashboards: {enabled: true}\n"+tc.values)
		maps = slices.DeleteFunc(maps, func(o *unstructured.Unstructured) bool { return o.GetLabels()["grafana_dashboard"] == "" })
		if len(maps) != 5 {
			t.Errorf("%d dashboards", len(maps))
		}
		for _, m := range maps {
			data, _, _ := unstructured.NestedStringMap(m.Object, "data")
			for file, text := range data {
				var d struct {
					UID, Title string
					Templating struct {
						List []struct {
							Name    string
							Current chosen
						}
					}
				}
				if err := json.Unmarshal([]byte(text), &d); err != nil {
					t.Fatal(err)
				}
				of := tc.namespace + "/" + tc.release
				for _, name := range []string{"file " + file, "uid " + d.UID, "title " + d.Title} {
					if had, ok := seen[name]; ok {
						t.Errorf("%s and %s both have %s", had, of, name)
					}
					seen[name] = of
				}
				if len(d.UID) > 40 { // Grafana's limit
					t.Errorf("uid %s", d.UID)
				}
				got := map[string]chosen{}
				for _, v := range d.Templating.List {
					got[v.Name] = v.Current
				}
				if diff := cmp.Diff([]chosen{tc.in, tc.jobs}, []chosen{got["namespace"], got["job"]}); diff != "" {
					t.Errorf("%s: %s: namespace and job (-want +got):\n%s", of, file, diff)
				}
			}
		}
	}
}

// alert is a rule of a PrometheusRule.
type alert struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// alertsOf returns the alerts that the chart makes of values, which promtool has judged.
func alertsOf(t *testing.T, values string) map[string]alert {
	t.Helper()
	objects := templated(t, "fairlead", "fairlead", "PrometheusRule", values)
	if len(objects) != 1 {
		t.Fatalf("%d objects", len(objects))
	}
	spec, err := yaml.Marshal(objects[0].Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	return alertsIn(t, spec)
}

func alertsIn(t *testing.T, text []byte) map[string]alert {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	testprom.CheckRules(t, path)
	var file struct{ Groups []struct{ Rules []alert } }
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]alert{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			all[r.Alert] = r
		}
	}
	return all
}

// Without values for them, the alerts are those of the mixin. Each value changes what it says, and
// nothing else.
func TestAlertsAreAsValuesSay(t *testing.T) {
	chartFiles(t)
	mixin := alertsIn(t, []byte(read(t, "mixin/alerts.yaml")))
	expires := mixin["FairleadCredentialsExpire"]
	expires.Expr = strings.ReplaceAll(expires.Expr, "7 * 86400", "604800")
	mixin["FairleadCredentialsExpire"] = expires
	if diff := cmp.Diff(mixin, alertsOf(t, "prometheusRule: {enabled: true}")); diff != "" {
		t.Errorf("without values (-mixin +chart):\n%s", diff)
	}
	for name, tc := range map[string]struct {
		values string
		change func(map[string]alert)
	}{
		"disabled": {"disabled: [FairleadThrottled, FairleadDown]", func(all map[string]alert) {
			delete(all, "FairleadThrottled")
			delete(all, "FairleadDown")
		}},
		"for": {"for: {FairleadClusterNotLive: 30m}", func(all map[string]alert) {
			a := all["FairleadClusterNotLive"]
			a.For = "30m"
			a.Annotations["description"] = strings.Replace(a.Annotations["description"], "for 15 minutes", "for 30m", 1)
			all[a.Alert] = a
		}},
		"severities": {"severities: {FairleadSinkDown: page}", func(all map[string]alert) { all["FairleadSinkDown"].Labels["severity"] = "page" }},
		"alertLabels": {"alertLabels: {team: events}", func(all map[string]alert) {
			for _, a := range all {
				a.Labels["team"] = "events"
			}
		}},
		"runbookUrl": {`runbookUrl: "https://x.example/{alert}.html"`, func(all map[string]alert) {
			for _, a := range all {
				a.Annotations["runbook_url"] = "https://x.example/" + a.Alert + ".html"
			}
		}},
		"thresholds": {"thresholds: {oldestUnackedSeconds: 60.5, laneFullShare: 0.75, behindSeconds: 1800, throttledShare: 0.25, ledgerShare: 1, credentialsExpireSeconds: 3000000}", func(all map[string]alert) {
			for _, threshold := range [][3]string{
				{"FairleadOldestUnackedHigh", "> 600", "> 60.5"},
				{"FairleadBacklogGrowing", "> 0.5", "> 0.75"},
				{"FairleadBacklogGrowing", "> 900", "> 1800"},
				{"FairleadThrottled", "> 0.5", "> 0.25"},
				{"FairleadLedgerFull", "> 0.9", "> 1"},
				{"FairleadCredentialsExpire", "604800", "3000000"},
			} {
				name, mixin, values := threshold[0], threshold[1], threshold[2]
				a := all[name]
				if !strings.Contains(a.Expr, mixin) {
					t.Errorf("%s has no %s", name, mixin)
				}
				a.Expr = strings.ReplaceAll(a.Expr, mixin, values)
				all[name] = a
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			want := alertsOf(t, "prometheusRule: {enabled: true}")
			tc.change(want)
			if diff := cmp.Diff(want, alertsOf(t, "prometheusRule: {enabled: true, "+tc.values+"}")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	var names []string
	for name := range mixin {
		names = append(names, name)
	}
	slices.Sort(names)
	if objects := templated(t, "fairlead", "fairlead", "PrometheusRule", "prometheusRule: {enabled: true, disabled: ["+strings.Join(names, ", ")+"]}"); len(objects) != 0 {
		t.Errorf("a PrometheusRule of nothing: %v", objects)
	}
}
