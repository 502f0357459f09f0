package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// fleetOf returns the connections of n members, of which every fourth is backing off.
func fleetOf(n int) (all []connection.Status) {
	for i := range n {
		s := connection.Status{Cluster: fmt.Sprintf("c-%05d", i), State: member.Live, ClusterUID: fmt.Sprint("u-", i)}
		if i%4 == 3 {
			s.State = member.BackingOff
		}
		all = append(all, s)
	}
	return all
}

// TestClusterBound serves 10,000 clusters within a bound, and then has members of a smaller
// fleet come and go.
func TestClusterBound(t *testing.T) {
	var fleet []connection.Status
	registry := prometheus.NewRegistry()
	registry.MustRegister(connection.NewCollector(func() []connection.Status { return fleet }), newClustersLeftOut())
	scrape := func(bound *clusterBound) (names []string, leftOut float64, byState map[string]float64) {
		t.Helper()
		server := httptest.NewServer(metricsHandler(bound))
		defer server.Close()
		response := must(http.Get(server.URL))(t)
		defer response.Body.Close()
		if format := response.Header.Get("Content-Type"); !strings.HasPrefix(format, "text/plain") {
			t.Errorf("format %s", format)
		}
		families := must(parserOfText().TextToMetricFamilies(response.Body))(t)
		for _, m := range families["fairlead_connection_attempt"].GetMetric() {
			name, _ := clusterOf(m)
			names = append(names, name)
		}
		slices.Sort(names)
		byState = map[string]float64{}
		for _, m := range families["fairlead_connection_clusters"].GetMetric() {
			byState[m.GetLabel()[0].GetValue()] = m.GetGauge().GetValue()
		}
		return names, families[clustersLeftOut].GetMetric()[0].GetGauge().GetValue(), byState
	}

	fleet = fleetOf(10_000)
	names, leftOut, byState := scrape(&clusterBound{from: registry, most: 1000})
	if len(names) != 1000 || names[0] != "c-00000" || names[999] != "c-00999" {
		t.Fatalf("%d clusters, %v...", len(names), names[:1])
	}
	if leftOut != 9000 {
		t.Errorf("%v are said to be left out", leftOut)
	}
	if byState["live"] != 7500 || byState["backing off"] != 2500 {
		t.Errorf("of the whole fleet: %v", byState)
	}

	// Whoever is shown stays, also behind a newcomer whose name is first; and whoever leaves
	// makes room for the first by name.
	fleet = fleetOf(50)
	bound := &clusterBound{from: registry, most: 10}
	names, _, _ = scrape(bound)
	fleet = append([]connection.Status{{Cluster: "a-new", State: member.Live}}, fleet...)
	if again, leftOut, _ := scrape(bound); !slices.Equal(again, names) || leftOut != 41 {
		t.Errorf("a newcomer has taken a place: %v; %v left out", again, leftOut)
	}
	fleet = slices.DeleteFunc(fleet, func(s connection.Status) bool { return s.Cluster == "c-00007" })
	again, leftOut, _ := scrape(bound)
	if want := append([]string{"a-new"}, without7(names)...); !slices.Equal(again, want) || leftOut != 40 {
		t.Errorf("after one has left: %v, want %v; %v left out", again, want, leftOut)
	}
	if all, leftOut, _ := scrape(&clusterBound{from: registry}); len(all) != 50 || leftOut != 0 {
		t.Errorf("without a bound: %d clusters, %v left out", len(all), leftOut)
	}
}

func without7(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "c-00007" })
}

func parserOfText() *expfmt.TextParser {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return &parser
}

// BenchmarkClusterBound is what the bound costs a scrape of 10,000 clusters.
func BenchmarkClusterBound(b *testing.B) {
	fleet := fleetOf(10_000)
	registry := prometheus.NewRegistry()
	registry.MustRegister(connection.NewCollector(func() []connection.Status { return fleet }), newClustersLeftOut())
	for _, most := range []int{0, 1000} {
		b.Run(fmt.Sprint("most=", most), func(b *testing.B) {
			bound := &clusterBound{from: registry, most: most}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := bound.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestTextFormatStaysClassic: a histogram is served with its buckets as text, and with both
// kinds of buckets to who asks for protobuf.
func TestTextFormatStaysClassic(t *testing.T) {
	registry := prometheus.NewRegistry()
	p := &program{registerer: registry}
	if err := p.registerLeader(); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"create", "get", "update"} {
		p.leaderMetrics.seconds.WithLabelValues(call).Observe(0.01)
	}
	server := httptest.NewServer(metricsHandler(registry))
	defer server.Close()
	get := func(accept string) *http.Response {
		request := must(http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil))(t)
		request.Header.Set("Accept", accept)
		return must(http.DefaultClient.Do(request))(t)
	}
	text := get("text/plain")
	defer text.Body.Close()
	families := must(parserOfText().TextToMetricFamilies(text.Body))(t)
	if h := families["fairlead_leader_lock_seconds"].GetMetric()[0].GetHistogram(); len(h.GetBucket()) != 10 || h.Schema != nil {
		t.Errorf("as text: %v", h)
	}
	binary := get("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited")
	defer binary.Body.Close()
	decoder := expfmt.NewDecoder(binary.Body, expfmt.ResponseFormat(binary.Header))
	for {
		var f dto.MetricFamily
		if err := decoder.Decode(&f); err != nil {
			t.Fatalf("in protobuf there is no native histogram: %v", err)
		}
		if f.GetName() != "fairlead_leader_lock_seconds" {
			continue
		}
		if h := f.GetMetric()[0].GetHistogram(); h.Schema != nil && len(h.GetBucket()) == 9 {
			return
		}
	}
}
