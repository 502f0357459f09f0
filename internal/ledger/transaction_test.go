package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

var errPoison = errors.New("the store does not take this")

// delivers reports whether a new object of a cursor may be handed over within some
// seconds, and acks it if so.
func (r *running) delivers(c *Cursor, i int) bool {
	r.Helper()
	n, v := pod(i), at20(i)
	sequence, verdict := c.observe(n, v, false, false)
	if verdict != Deliver {
		r.Fatalf("verdict %v", verdict)
	}
	c.Seen(v.ResourceVersion)
	_, _, safe, _ := c.Begin(sequence, n, v, false)
	if safe != nil {
		select {
		case <-safe:
		case <-time.After(5 * time.Second):
			return false
		}
	}
	c.Ack(sequence, n, v, false)
	return true
}

func (r *running) claim(cluster string) *Cursor {
	r.ledger.Join(cluster)
	c, _ := r.ledger.claimAs(StreamID{Cluster: cluster, Resource: "pods"}, "digest")
	c.BeginSnapshot()
	endSnapshot(c, "10")
	c.Seen("10")
	return c
}

func (r *running) health() string {
	text := ""
	for _, s := range r.ledger.Clusters() {
		text += fmt.Sprintf("%s %v %d %q;", s.Cluster, s.Healthy, min(s.Attempts, 1), s.LastError)
	}
	s, _ := r.ledger.Status()
	return text + fmt.Sprint(s.Healthy)
}

// What the store does not take of one cluster pauses that one, says so, and goes
// on once the store does.
func TestOneClusterThatCannotBeStored(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		good, bad, other := r.claim("good"), r.claim("bad"), r.claim("other")
		if !r.delivers(good, 1) || !r.delivers(bad, 1) || !r.delivers(other, 1) {
			t.Fatal("nothing is wrong yet")
		}
		time.Sleep(2 * time.Second)
		r.store.refuseIf(func(updates []Update) bool {
			for _, u := range updates {
				if u.Cursor == bad.key {
					return true
				}
			}
			return false
		})
		if r.delivers(bad, 2) {
			t.Error("delivered although it is not noted")
		}
		for i := range 20 {
			if !r.delivers(good, 2+i) || !r.delivers(other, 2+i) {
				t.Fatal("held up by another cluster's part")
			}
			time.Sleep(time.Second)
		}
		if got, want := r.health(), `a true 0 "";bad false 1 "the store does not take this";good true 0 "";other true 0 "";true`; got != want {
			t.Errorf("health is %s, want %s", got, want)
		}
		sequence, _ := bad.observe(pod(1), at(uuid(1), 1000), false, false)
		if _, _, safe, _ := bad.Begin(sequence, pod(1), at(uuid(1), 1000), false); safe == nil {
			t.Error("what is known is handed over although its ack cannot be stored")
		}
		before := r.store.count()
		time.Sleep(time.Minute)
		// Delays are drawn from 0 to 10 s: 12 attempts, give or take 2 (standard
		// deviation). Each tick would be 60.
		if n := r.store.count() - before; n < 1 || n > 30 {
			t.Errorf("%d attempts in a minute in which nothing else happens", n)
		}
		// A restart finds all of the others'.
		again := r.reopen()
		if c, _ := again.claimAs(good.ID(), "digest"); c.ResumePoint() != good.ResumePoint() || c.Stats() != good.Stats() {
			t.Errorf("stored are %s, %+v", c.ResumePoint(), c.Stats())
		}

		r.store.refuseIf(nil)
		time.Sleep(writeRetryMax + time.Second)
		if !r.delivers(bad, 3) {
			t.Error("does not go on")
		}
		if got, want := r.health(), `a true 0 "";bad true 0 "";good true 0 "";other true 0 "";true`; got != want {
			t.Errorf("health is %s, want %s", got, want)
		}
		logs := strings.Join(*r.logs, "\n")
		if len(*r.logs) != 2 || strings.Count(logs, `"cluster"="bad"`) != 2 {
			t.Errorf("the log:\n%s\nwant a line when it fails, and one when it goes on", logs)
		}
	})
}

// A store that has room for little is given the small parts by themselves.
func TestSmallPartsOfATransactionThatIsTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		small, large := r.claim("small"), r.claim("large")
		time.Sleep(2 * time.Second)
		r.store.refuseIf(func(updates []Update) bool {
			n := 0
			for _, u := range updates {
				n += len(u.Records)
			}
			return n > 10
		})
		for i := range 100 {
			large.observe(pod(i), at20(i), false, false)
		}
		if r.delivers(large, 200) {
			t.Error("delivered although it is not noted")
		}
		for i := range 10 {
			if !r.delivers(small, i) {
				t.Fatal("held up")
			}
		}
		r.store.refuseIf(nil)
		time.Sleep(writeRetryMax + time.Second)
		if !r.delivers(large, 300) {
			t.Error("does not go on")
		}
	})
}

// A store that fails altogether is not asked once for each cluster of a large
// fleet, holds up all of them, and takes all at once when it works again.
func TestAllClustersOfAStoreThatFails(t *testing.T) {
	bubble(t, func(t *testing.T, r *running) {
		r.snapshotted()
		var cursors []*Cursor
		for i := range 500 {
			cursors = append(cursors, r.claim(fmt.Sprint("cluster-", i)))
		}
		// Between two of the writer's ticks, so that it comes upon all of it or nothing.
		time.Sleep(2*time.Second + 3777*time.Microsecond)
		r.store.fail(errPoison)
		for i, c := range cursors[1:] {
			c.observe(pod(i), at20(i), false, false)
			c.Seen("1000")
		}
		before := r.store.count()
		if r.delivers(cursors[1], 600) || r.delivers(cursors[0], 600) {
			t.Error("delivered although the store fails")
		}
		time.Sleep(time.Minute)
		if n := r.store.count() - before; n > 30*(2*giveUpAfter+12) {
			t.Errorf("%d attempts in a minute", n)
		}
		if s, _ := r.ledger.Status(); s.Healthy {
			t.Error("healthy")
		}
		// An attempt takes a millisecond for each part. One in which it begins to work
		// stores what is left part by part.
		for n := -1; n != r.store.count(); time.Sleep(100 * time.Millisecond) {
			n = r.store.count()
		}
		r.store.fail(nil)
		before = r.store.count()
		time.Sleep(writeRetryMax)
		if n := r.store.count() - before; n > 20 {
			t.Errorf("%d transactions when it works again", n)
		}
		for i, c := range cursors {
			if !r.delivers(c, 1000+i) {
				t.Fatal("does not go on")
			}
		}
		if len(*r.logs) != 2 {
			t.Errorf("the log:\n%s\nwant a line when it fails, and one when it goes on", strings.Join(*r.logs, "\n"))
		}
	})
}

// What is not stored of one cluster when the program ends is the error of Run.
func TestLastTransactionOfOneCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, &testStore{memStore: newMemStore(), takes: time.Millisecond})
		good, bad := r.snapshotted(), r.claim("bad")
		r.store.refuseIf(func(updates []Update) bool {
			for _, u := range updates {
				if u.Cursor == bad.key {
					return true
				}
			}
			return false
		})
		deliver(t, good, pod(1), at20(1), false, false)
		good.Seen("21")
		bad.Seen("21")
		if err := r.stop(); !errors.Is(err, errPoison) {
			t.Errorf("Run: %v", err)
		}
		if again := r.restart(); again.ResumePoint() != "21" {
			t.Errorf("resume point %q of the other one", again.ResumePoint())
		}
	})
}
