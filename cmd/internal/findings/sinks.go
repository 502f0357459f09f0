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
	if since := f.writing(s); s.LastError == "" && f.longer(since, longWrite) {
		f.add("FL1303", api.Finding{Route: s.Name, Since: since}, fmt.Sprintf("A write of sink %s has been under way for %s, and %d changes wait for the next one.", s.Name, f.age(since), s.Waiting))
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
