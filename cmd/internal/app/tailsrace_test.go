package app

import (
	"encoding/json"
	"fmt"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// Tails of all kinds come and go while stages go on. Each shows whole lines of what it asks for, in
// the order of each stage and none twice, and when all have gone nothing is kept for them.
func TestTailsComeAndGo(t *testing.T) {
	const stagesOf, answers, clusters, readers = 2, 10_000, 4, 20
	var r recent
	var shown atomic.Int64
	var stages, tails sync.WaitGroup
	stop := make(chan struct{})
	for s := range stagesOf {
		stages.Go(func() {
			for i := range answers {
				d := podDelivery("a", i, `{"x":"y"}`)
				d.Change.Key.Cluster = fmt.Sprint("c", i%clusters)
				r.observe(fmt.Sprint("r", s), d)
				if i%64 == 0 {
					runtime.Gosched() // to readers
				}
			}
		})
	}
	for g := range readers {
		tails.Go(func() {
			for k := 0; ; k++ {
				select {
				case <-stop:
					return
				default:
				}
				cluster := fmt.Sprint("c", (g+k)%clusters)
				q := url.Values{"cluster": {cluster}, "rate": {strconv.Itoa(mostTailRate)}}
				if g%5 == 0 {
					q.Set("where", `pods:object['x'] == "y"`)
				}
				if g%7 == 0 {
					q.Set("objects", "true")
				}
				shown.Add(int64(checkLines(t, lookFor(t, &r, q), cluster, g%7 == 0)))
			}
		})
	}
	stages.Wait()
	close(stop)
	tails.Wait()
	if bytes, lines := copiedBytes(&r); shown.Load() == 0 || bytes != 0 || lines != 0 || r.bytes != 0 || r.tails != 0 {
		t.Errorf("%d lines were shown; of %d tails %d copied bytes (%d are counted) and %d lines are left", shown.Load(), r.tails, bytes, r.bytes, lines)
	}
}

// lookFor returns what a tail has written after some looks.
func lookFor(t *testing.T, r *recent, q url.Values) string {
	var out strings.Builder
	one, end := lookingTail(t, r, &out, q)
	defer end()
	for range 5 {
		runtime.Gosched() // to stages
		if _, err := one.look(time.Now()); err != nil {
			t.Error(err)
		}
	}
	if err := one.out.Flush(); err != nil {
		t.Error(err)
	}
	return out.String()
}

// checkLines counts the answers in what a tail has written. They are of one cluster, rise in each
// route, and have the object or have not.
func checkLines(t *testing.T, text, cluster string, objects bool) (answers int) {
	last := map[string]int{}
	for line := range strings.Lines(text) {
		var a api.Answer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Errorf("%v in %q", err, line)
			continue
		}
		if a.Skipped > 0 {
			continue
		}
		answers++
		version, err := strconv.Atoi(a.ResourceVersion)
		before, seen := last[a.Route]
		if err != nil || a.Cluster != cluster || seen && version <= before || objects != (string(a.Object) == `{"x":"y"}`) {
			t.Errorf("of %s, after %d: %s", cluster, before, line)
		}
		last[a.Route] = version
	}
	return answers
}
