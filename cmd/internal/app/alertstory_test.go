package app

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/fairlead-dev/fairlead/internal/testprom"
)

// scrape is what /metrics says at a time: values by series, named as in the text format.
// Histograms, which no rule reads, are left out.
type scrape struct {
	at     time.Time
	values map[string]float64
	counts map[string]bool // those that are counters
}

// scrape reads the metrics of the program as its server would.
func (r *running) scrape() *scrape {
	r.t.Helper()
	bound := &clusterBound{from: r.registry, most: r.program.settings.MetricsMaxClusters}
	return scrapeOf(must(bound.Gather())(r.t))
}

func scrapeOf(families []*dto.MetricFamily) *scrape {
	s := &scrape{at: time.Now(), values: map[string]float64{}, counts: map[string]bool{}}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+strconv.Quote(l.GetValue()))
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.GetCounter() != nil:
				s.values[name], s.counts[name] = m.GetCounter().GetValue(), true
			case m.GetGauge() != nil:
				s.values[name] = m.GetGauge().GetValue()
			}
		}
	}
	return s
}

// total returns the sum of the series of a metric whose labels have a part in common, such
// as result="refused".
func (s *scrape) total(metric, label string) (sum float64) {
	for name, value := range s.values {
		if strings.HasPrefix(name, metric+"{") && strings.Contains(name, label) {
			sum += value
		}
	}
	return sum
}

// awaitScrape returns the first scrape that shows something.
func (r *running) awaitScrape(what string, shows func(s *scrape) bool) (s *scrape) {
	r.t.Helper()
	r.await(what, func() bool {
		s = r.scrape()
		return shows(s)
	})
	return s
}

// ages are gauges that grow by themselves.
var ages = regexp.MustCompile(`^fairlead_[a-z_]*(_age|_behind)_seconds\{`)

// chapter is a time in which a process goes on as between two scrapes: what it counts, and
// ages, grow as fast as between them, and all else stays as in the second one. Without
// scrapes there is no process.
type chapter struct {
	before, after *scrape
	minutes       int
}

// slope returns by how much a series grows in a minute.
func (c *chapter) slope(name string) float64 {
	if c.before == c.after || !c.after.counts[name] && !ages.MatchString(name) {
		return 0
	}
	passed := c.after.at.Sub(c.before.at).Minutes()
	return max(0, (c.after.values[name]-c.before.values[name])/passed)
}

// story is what one process or several go through, each from the beginning on.
type story struct {
	instances map[string][]chapter
}

// of is the story of one process.
func of(chapters ...chapter) *story { return &story{map[string][]chapter{"a": chapters}} }

// continued is the story of a process that goes on for two hours as between two scrapes.
func continued(before, after *scrape) *story { return of(chapter{before, after, 121}) }

// series writes the story in promtool's notation, with a sample a minute.
func (s *story) series() (all []testprom.Series) {
	for instance, chapters := range s.instances {
		names := map[string]bool{}
		for _, c := range chapters {
			if c.after != nil {
				for name := range c.after.values {
					names[name] = true
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			var values []string
			there := false
			for _, c := range chapters {
				now := c.after != nil
				if now {
					_, now = c.after.values[name]
				}
				switch {
				case now:
					values = append(values, fmt.Sprintf("%v+%vx%d", c.after.values[name], c.slope(name), c.minutes-1))
				case there: // as Prometheus notes what has gone
					values = append(values, "stale", fmt.Sprintf("_x%d", c.minutes-1))
				default:
					values = append(values, fmt.Sprintf("_x%d", c.minutes))
				}
				there = now
			}
			ofTarget := fmt.Sprintf(`job="fairlead",namespace="fairlead",instance=%q`, instance)
			metric, labels, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
			all = append(all, testprom.Series{Name: metric + "{" + strings.Trim(ofTarget+","+labels, ",") + "}", Values: strings.Join(values, " ")})
		}
	}
	return all
}

// alertRules is where the rules are, from here.
const alertRules = "../../../deploy/mixin/alerts.yaml"

// fires checks which alerts fire two hours after the story's beginning: those, and no others
// but what may follow from them.
func (s *story) fires(t *testing.T, start time.Time, want, follow []string) {
	t.Helper()
	query := testprom.Query{At: "2h", Expr: `group by (alertname) (ALERTS{alertstate="firing", alertname!~"` + strings.Join(follow, "|") + `"})`}
	for _, name := range want {
		query.Want = append(query.Want, fmt.Sprintf("{alertname=%q}", name))
	}
	s.tell(t, start, query)
}

// isSilent checks that no alert fires, or is about to, at any time.
func (s *story) isSilent(t *testing.T, start time.Time) {
	t.Helper()
	var queries []testprom.Query
	for minute := 1; minute <= 120; minute++ {
		// Pending for a moment is what the pause before an alert is for.
		queries = append(queries, testprom.Query{At: fmt.Sprint(minute, "m"), Expr: `ALERTS{alertstate="firing"}`})
	}
	s.tell(t, start, append(queries, testprom.Query{At: "2h", Expr: `ALERTS`})...)
}

func (s *story) tell(t *testing.T, start time.Time, queries ...testprom.Query) {
	t.Helper()
	told := testprom.Story{
		Rules: alertRules, Interval: "1m", Start: start.UTC().Truncate(time.Second).Format(time.RFC3339),
		Series: s.series(), Queries: queries,
	}
	told.Tell(t)
}

// A story goes on as it should, or the tests below would prove nothing.
func TestStoryGoesOn(t *testing.T) {
	at := time.Now()
	before := &scrape{at: at, values: map[string]float64{"c{}": 1, "g{}": 5, "fairlead_x_age_seconds{}": 1}, counts: map[string]bool{"c{}": true}}
	after := &scrape{at: at.Add(30 * time.Second), values: map[string]float64{"c{}": 3, "g{}": 7, "fairlead_x_age_seconds{}": 31}, counts: map[string]bool{"c{}": true}}
	got := map[string]string{}
	for _, s := range of(chapter{minutes: 2}, chapter{before, after, 3}, chapter{minutes: 4}).series() {
		got[s.Name] = s.Values
	}
	for name, want := range map[string]string{
		"c": "_x2 3+4x2 stale _x3", "g": "_x2 7+0x2 stale _x3", "fairlead_x_age_seconds": "_x2 31+60x2 stale _x3",
	} {
		if name += `{job="fairlead",namespace="fairlead",instance="a"}`; got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if n := scrapeOf(must(prometheus.NewRegistry().Gather())(t)); len(n.values) > 0 {
		t.Errorf("of nothing: %v", n.values)
	}
}
