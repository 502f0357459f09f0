package app

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
)

// A tail whose rate is used up looks a quarter as often, and shows as much as its rate lets through. One that has
// some left looks as soon as ever, and so does one that would not have room for the objects of so long.
func TestTailPausesWhileItsRateIsUsedUp(t *testing.T) {
	for query, pauses := range map[string]bool{
		"rate=50":                               true,
		"rate=50&op=updated":                    true,
		"rate=50&objects=true":                  true,
		"rate=2500&objects=true":                true,
		"rate=5000&objects=true":                false, // four steps are 2,000, and there is room for 1,024
		"rate=50&where=*:object['x'] == 'y'":    true,
		"rate=50&where=*:object['x'] == 'n'":    false, // selects nothing
		"rate=50&namespace=other":               false,
		"rate=10000&where=*:object['x'] == 'y'": false,
		"rate=10000&op=updated,deleted":         true,
		"rate=50&objects=true&op=deleted":       false,
		"rate=50&resource=pods,deployments":     true,
	} {
		q := url.Values{}
		for part := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(part, "=")
			q.Set(name, value)
		}
		var r recent
		var b strings.Builder
		one, end := lookingTail(t, &r, &b, q)
		now := time.Now().Truncate(tailPause).Add(time.Minute)
		begun := now
		next := func(want time.Duration) {
			step := one.untilLook(now)
			if step != want {
				t.Errorf("%s: after %v, the next look is %v later, want %v", query, now.Sub(begun), step, want)
			}
			now = now.Add(step)
		}
		look := func() (shown int) {
			b.Reset()
			if _, err := one.look(now); err != nil {
				t.Fatal(err)
			}
			if err := one.out.Flush(); err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(b.String()) {
				var a api.Answer
				if err := json.Unmarshal([]byte(line), &a); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				if a.Skipped == 0 {
					shown++
				}
			}
			return shown
		}
		flood := func() {
			for i := range mostRecent {
				d := podDelivery(fmt.Sprint(i), i, `{"x":"y"}`)
				r.observe("x", d)
			}
		}
		next(tailStep)
		for now.Sub(begun) < 3*time.Second { // what was saved for a burst goes
			flood()
			look()
			now = now.Add(one.untilLook(now))
		}
		if one.full != pauses {
			t.Errorf("%s: it waits longer: %v, want %v", query, one.full, pauses)
		}
		if pauses {
			want := float64(one.rate) * tailPause.Seconds()
			for range 5 {
				flood()
				if shown := look(); float64(shown) < want-1 || float64(shown) > want+1 {
					t.Errorf("%s: at a look it shows %d, want %.0f", query, shown, want)
				}
				next(tailPause)
			}
		}
		now = now.Add(time.Second)
		look() // nothing has come
		next(tailStep)
		end()
	}
}
