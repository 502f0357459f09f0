package findings

import (
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/ctl"
)

// Table is what the clusters that were asked have said of themselves.
func Table(c *api.Check) ctl.Table {
	t := ctl.Table{}
	for _, name := range []string{"CLUSTER", "FINDINGS", "VERSION", "LATENCY", "CLOCK", "STREAMING LISTS", "NEXT TO EXPIRE"} {
		t.Columns = append(t.Columns, ctl.Column{Name: name})
	}
	for _, m := range c.Members {
		n := 0
		for _, f := range c.Findings {
			if f.Cluster == m.Cluster {
				n++
			}
		}
		latency, clock, lists := "-", "-", "-"
		if m.LatencySeconds > 0 {
			latency = time.Duration(m.LatencySeconds * float64(time.Second)).Round(100 * time.Microsecond).String()
		}
		if m.SkewSeconds != nil {
			clock = fmt.Sprintf("%+.1fs", *m.SkewSeconds)
		}
		if m.StreamingLists != nil {
			lists = map[bool]string{true: "yes", false: "no"}[*m.StreamingLists]
		}
		t.Rows = append(t.Rows, []string{m.Cluster, fmt.Sprint(n), orDash(m.Version), latency, clock, lists, nextToExpire(m.Credentials)})
	}
	return t
}

func nextToExpire(all []api.Credential) string {
	if len(all) == 0 {
		return "-"
	}
	next := all[0]
	for _, k := range all[1:] {
		if k.Expires.Before(next.Expires) {
			next = k
		}
	}
	return next.Expires.UTC().Format(time.DateOnly) + " " + next.What
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
