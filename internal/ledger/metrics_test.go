package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Status{Healthy: true, Writes: 3, Failures: 2, Records: 70, Written: time.Now()}
		time.Sleep(1500 * time.Millisecond)
		there := true
		c := NewCollector(func() (Status, bool) { return s, there }, func() int64 { return 32768 })
		want := `
# HELP fairlead_ledger_bytes Size of the ledger's store.
# TYPE fairlead_ledger_bytes gauge
fairlead_ledger_bytes 32768
# HELP fairlead_ledger_last_write_age_seconds Time since the ledger's last successful transaction. Nothing is written while nothing changes.
# TYPE fairlead_ledger_last_write_age_seconds gauge
fairlead_ledger_last_write_age_seconds 1.5
# HELP fairlead_ledger_records_total Records of objects that the ledger has written.
# TYPE fairlead_ledger_records_total counter
fairlead_ledger_records_total 70
# HELP fairlead_ledger_up 1 if the last transaction of the ledger succeeded, 0 while it cannot be written and delivery pauses.
# TYPE fairlead_ledger_up gauge
fairlead_ledger_up 1
# HELP fairlead_ledger_writes_total Transactions of the ledger, by result: ok, failed.
# TYPE fairlead_ledger_writes_total counter
fairlead_ledger_writes_total{result="failed"} 2
fairlead_ledger_writes_total{result="ok"} 3
`
		if err := testutil.CollectAndCompare(c, strings.NewReader(want)); err != nil {
			t.Error(err)
		}
		if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
			t.Error(problems, err)
		}
		s = Status{}
		for metric, want := range map[string]int{"fairlead_ledger_up": 1, "fairlead_ledger_last_write_age_seconds": 0} {
			if n := testutil.CollectAndCount(c, metric); n != want {
				t.Errorf("before the first transaction: %d of %s", n, metric)
			}
		}
		if there = false; testutil.CollectAndCount(c) != 0 {
			t.Error("metrics without a store")
		}
	})
}

// Of what nobody follows any more the metric tells how many objects there are, of each
// resource, and no more once somebody does again.
func TestUnwatchedMetric(t *testing.T) {
	s := newStored(t)
	c, _ := s.claim("uid", "")
	s.fill(c)
	known := c.Stats().Known
	s.commit(true)
	s.open() // a process that follows something else
	collector := NewUnwatchedCollector(func() []UnwatchedObjects { return s.ledger.UnwatchedObjects() })
	s.ledger.Watched("a", among(nil), nil)
	want := fmt.Sprintf(`
# HELP fairlead_ledger_unwatched_objects Objects that sinks may hold of resources that are not in --watch any more. After --ledger-retention they are reported as deleted, unless they are followed in another API group.
# TYPE fairlead_ledger_unwatched_objects gauge
fairlead_ledger_unwatched_objects{cluster="a",resource="pods"} %d
`, known)
	if err := testutil.CollectAndCompare(collector, strings.NewReader(want)); err != nil || known == 0 {
		t.Errorf("%d objects: %v", known, err)
	}
	s.claim("uid", "")
	if n := testutil.CollectAndCount(collector); n != 0 {
		t.Errorf("%d series of what is followed", n)
	}
}
