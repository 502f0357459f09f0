package findings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// longWrite is how long a write may take.
const longWrite = 2 * time.Second

// sinks tells of the sinks and of what they have refused.
func (f *finder) sinks() {
	for i := range f.Status.Sinks {
		f.sink(&f.Status.Sinks[i])
	}
	for _, s := range f.Probes.Sinks {
		if s.Unasked != "" {
			f.add("FL1306", api.Finding{Route: s.Name}, because("Sink "+s.Name+" was not asked", s.Unasked))
		}
		// One that fails says so by its writes.
		if s.Error != "" && !f.has(func(one api.Finding) bool { return one.Route == s.Name && one.Code == "FL1301" }) {
			f.add("FL1305", api.Finding{Route: s.Name}, because("Sink "+s.Name+" is not ready", s.Error))
		}
	}
	if unkept := f.Probes.Unkept; len(unkept) > 0 {
		f.add("FL1307", api.Finding{}, "No sink keeps anything of "+strings.Join(unkept, ", ")+", which is watched.")
	}
	for _, d := range f.Probes.DeadLetters {
		f.add("FL1304", api.Finding{Cluster: d.Cluster, Route: d.Route, Since: d.Last},
			because(fmt.Sprintf("Sink %s has refused %d changes of cluster %s for good, the last one", d.Route, d.Changes, d.Cluster), d.Reason))
	}
}

func (f *finder) sink(s *api.Sink) {
	if s.LastError != "" {
		f.add("FL1301", api.Finding{Route: s.Name, Since: s.Since}, because(fmt.Sprintf("Sink %s fails, for %s and %d attempts", s.Name, f.age(s.Since), s.Attempts), s.LastError))
	}
	for _, r := range s.Refused {
		f.add("FL1302", api.Finding{Cluster: r.Cluster, Route: s.Name, Since: r.Since},
			because(fmt.Sprintf("Sink %s refuses %d changes of cluster %s", s.Name, r.Changes, r.Cluster), r.Reason))
	}
	if !s.ApartSince.IsZero() {
		f.add("FL1308", api.Finding{Route: s.Name, Since: s.ApartSince}, because(f.apart(s), s.ApartError))
	}
	if since := f.writing(s); s.LastError == "" && f.longer(since, longWrite) {
		f.add("FL1303", api.Finding{Route: s.Name, Since: since}, fmt.Sprintf("A write of sink %s has been under way for %s, and %d changes wait for the next one.", s.Name, f.age(since), s.Waiting))
	}
}

// mostNamed is how many clusters one sentence names.
const mostNamed = 5

// apart says what a sink writes apart.
func (f *finder) apart(s *api.Sink) string {
	names := strings.Join(s.Apart[:min(len(s.Apart), mostNamed)], ", ")
	if more := len(s.Apart) - mostNamed; more > 0 {
		names = fmt.Sprintf("%s and %d more", names, more)
	}
	switch age := f.age(s.ApartSince); {
	case s.Held == 0:
		return fmt.Sprintf("Sink %s has refused whole batches, for %s: changes of %s are written apart", s.Name, age, names)
	case names == "":
		return fmt.Sprintf("Sink %s has refused whole batches, for %s: what it refuses is searched for among %d changes", s.Name, age, s.Held)
	default:
		return fmt.Sprintf("Sink %s has refused whole batches, for %s: changes of %s are written apart, and what it refuses is searched for among %d others", s.Name, age, names, s.Held)
	}
}

// writing returns since when the oldest write has been under way. One that had been for so
// long when the status of before was taken counts as well, whether it has ended or not.
func (f *finder) writing(s *api.Sink) time.Time {
	if f.Before != nil {
		i := slices.IndexFunc(f.Before.Sinks, func(b api.Sink) bool { return b.Name == s.Name })
		if i >= 0 && !f.Before.Sinks[i].WritingSince.IsZero() && f.Now.Add(-f.Window).Sub(f.Before.Sinks[i].WritingSince) > longWrite {
			return f.Before.Sinks[i].WritingSince
		}
	}
	return s.WritingSince
}
