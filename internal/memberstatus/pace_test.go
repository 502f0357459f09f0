package memberstatus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead-dev/fairlead/internal/synctest"
)

// table is a hub in memory: what there is and how often it was written.
type table struct {
	mu      sync.Mutex
	objects map[string]*object
	version int
	writes  []string // "METHOD name"
	fail    func(*http.Request) int
}

func (h *table) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	answer := func(code int, v any) (*http.Response, error) {
		text, err := json.Marshal(v)
		return &http.Response{StatusCode: code, Request: r, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(text))}, err
	}
	refuse := func(code int) (*http.Response, error) {
		return answer(code, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(code), Message: "no"})
	}
	if h.fail != nil {
		if code := h.fail(r); code != 0 {
			return refuse(code)
		}
	}
	_, rest, _ := strings.Cut(r.URL.Path, plural)
	name := strings.TrimSuffix(strings.Trim(rest, "/"), "/status")
	var sent object
	if r.Method == http.MethodPost || r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			return refuse(http.StatusBadRequest)
		}
		name = sent.Metadata.Name
	}
	o := h.objects[name]
	if r.Method != http.MethodGet {
		h.writes = append(h.writes, r.Method+" "+name)
	}
	h.version++
	switch {
	case r.Method == http.MethodGet && name == "":
		list := map[string]any{"kind": kind + "List"}
		items := []*object{}
		for _, o := range h.objects {
			items = append(items, o)
		}
		list["items"] = items
		return answer(http.StatusOK, list)
	case r.Method == http.MethodPost && o != nil:
		return refuse(http.StatusConflict)
	case r.Method == http.MethodPost:
		o = &sent
		o.Metadata.UID = "uid"
		h.objects[name] = o
	case o == nil:
		return refuse(http.StatusNotFound)
	case r.Method == http.MethodPatch && sent.Metadata.ResourceVersion != o.Metadata.ResourceVersion:
		return refuse(http.StatusConflict)
	case r.Method == http.MethodPatch:
		o.Status = sent.Status
	case r.Method == http.MethodDelete:
		delete(h.objects, name)
	}
	if r.Method != http.MethodGet {
		o.Metadata.ResourceVersion = fmt.Sprint(h.version)
	}
	return answer(http.StatusOK, o)
}

// wrote returns what has been written since it was asked last.
func (h *table) wrote() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	defer func() { h.writes = nil }()
	return h.writes
}

// crowd is a fleet of n members.
type crowd struct {
	mu      sync.Mutex
	members map[string]*Status
	known   bool
	starts  bool // nothing has been heard of its members yet
}

func (c *crowd) all() (all []Member, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, s := range c.members {
		all = append(all, Member{name, new(*s), c.starts})
	}
	return all, true
}

// with changes the fleet.
func (c *crowd) with(change func(members map[string]*Status)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c.members)
}

func reachable(is bool) *Status {
	status := metav1.ConditionTrue
	if !is {
		status = metav1.ConditionFalse
	}
	return &Status{Conditions: []metav1.Condition{{Type: "Reachable", Status: status, Reason: "R", LastTransitionTime: metav1.NewTime(time.Now())}}}
}

func runTable(t *testing.T, n int, qps float64) (*table, *crowd) {
	h := &table{objects: map[string]*object{}}
	c := &crowd{members: map[string]*Status{}, known: true}
	for i := range n {
		c.members[fmt.Sprintf("m%04d", i)] = reachable(true)
	}
	w := New(Options{
		QPS: qps, Namespace: "ns", Members: c.all, Log: logr.Discard(),
		Known: func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.known
		},
		Config: func() (*rest.Config, error) { return &rest.Config{Host: "http://hub", Transport: h}, nil },
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return h, c
}

// A thousand members, and changes of all of them at once, are written at so many requests
// per second; what is the same is not written; and of many changes the last one is.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const qps = 40
		h, c := runTable(t, 1000, qps)
		time.Sleep(20 * time.Second)
		if n := len(h.wrote()); n > 20*qps+defaultBurst || n < 10*qps {
			t.Errorf("%d writes in 20 seconds", n)
		}
		time.Sleep(90 * time.Second)
		h.wrote()
		time.Sleep(time.Minute)
		if all := h.wrote(); len(all) > 0 {
			t.Errorf("%d writes of what is the same", len(all))
		}
		// All turn, and back, and one is down in the end.
		for i := range 10 {
			c.with(func(members map[string]*Status) {
				for name := range members {
					members[name] = reachable(i%2 == 1)
				}
				if i == 9 {
					members["m0999"] = reachable(false)
				}
			})
			time.Sleep(time.Second)
		}
		time.Sleep(20 * time.Second)
		if n := len(h.wrote()); n > 30*qps+defaultBurst {
			t.Errorf("%d writes for what has turned nine times", n)
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		for name, o := range h.objects {
			want := metav1.ConditionTrue
			if name == "m0999" {
				want = metav1.ConditionFalse
			}
			if o.Status.Conditions[0].Status != want {
				t.Errorf("%s is %s", name, o.Status.Conditions[0].Status)
			}
		}
	})
}

// While a member has not been heard of, what is known of it stays, and a new one gets an
// object.
func TestStartingMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 1, 0)
		time.Sleep(5 * time.Second)
		h.wrote()
		c.with(func(members map[string]*Status) {
			c.starts, members["m0000"], members["new"] = true, reachable(false), reachable(false)
		})
		time.Sleep(time.Minute)
		if got := strings.Join(h.wrote(), ", "); got != "POST new, PATCH new" {
			t.Errorf("while they start, the writes are %q", got)
		}
		c.with(func(map[string]*Status) { c.starts = false })
		time.Sleep(5 * time.Second)
		if got := strings.Join(h.wrote(), ", "); got != "PATCH m0000" {
			t.Errorf("when they have started, the writes are %q", got)
		}
	})
}

// What differs in counts only is written every 30 seconds, a condition at once.
func TestLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 1, 0)
		time.Sleep(time.Minute)
		h.wrote()
		began := time.Now()
		for time.Since(began) < 5*time.Minute {
			c.with(func(members map[string]*Status) { members["m0000"].Attempt++ })
			time.Sleep(time.Second)
		}
		if n := len(h.wrote()); n < 9 || n > 11 {
			t.Errorf("%d writes in 5 minutes", n)
		}
		time.Sleep(time.Minute) // no write of the count is due any more
		h.wrote()
		c.with(func(members map[string]*Status) { members["m0000"] = reachable(false) })
		time.Sleep(3 * time.Second)
		if n := len(h.wrote()); n != 1 {
			t.Errorf("%d writes of a condition that has turned", n)
		}
	})
}

// An object goes when its member has left, and when all of the fleet is known and it has
// none. While the fleet is not known, those of before stay.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 2, 0)
		orphan, foreign, other := newObject("orphan"), newObject("foreign"), newObject("other")
		foreign.Metadata.Labels = nil
		other.Metadata.Name = "not-its-name"
		h.mu.Lock()
		for _, o := range []*object{&orphan, &foreign, &other} {
			o.Metadata.UID = "u"
			h.objects[o.Metadata.Name] = o
		}
		h.mu.Unlock()
		c.with(func(members map[string]*Status) { c.known = false })
		time.Sleep(time.Minute)
		is := func(want string) {
			t.Helper()
			synctest.Wait()
			h.mu.Lock()
			defer h.mu.Unlock()
			var names []string
			for _, name := range []string{"m0000", "m0001", "orphan", "foreign", "not-its-name"} {
				if h.objects[name] != nil {
					names = append(names, name)
				}
			}
			if got := strings.Join(names, " "); got != want {
				t.Errorf("objects %s, want %s", got, want)
			}
		}
		is("m0000 m0001 orphan foreign not-its-name")
		c.with(func(members map[string]*Status) { delete(members, "m0001") })
		time.Sleep(time.Minute)
		is("m0000 orphan foreign not-its-name")
		c.with(func(members map[string]*Status) { c.known = true })
		time.Sleep(time.Minute)
		is("m0000 foreign not-its-name")
		// Who comes where something foreign is, waits for it to go, and holds up nobody.
		c.with(func(members map[string]*Status) {
			members["foreign"], members["zzz"] = reachable(true), reachable(true)
		})
		time.Sleep(time.Minute)
		h.mu.Lock()
		if h.objects["foreign"].Status != nil || h.objects["zzz"] == nil {
			t.Errorf("foreign: %+v; zzz: %+v", h.objects["foreign"], h.objects["zzz"])
		}
		delete(h.objects, "foreign")
		h.mu.Unlock()
		time.Sleep(2 * refusedFor)
		h.mu.Lock()
		if h.objects["foreign"] == nil {
			t.Error("it is not made once there is room")
		}
		h.mu.Unlock()
	})
}

// What somebody else has changed is read and written again; a hub that refuses all is
// asked ever less often.
func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 3, 0)
		time.Sleep(time.Minute)
		h.mu.Lock()
		h.objects["m0000"].Metadata.ResourceVersion = "else"
		delete(h.objects, "m0001")
		h.writes = nil
		h.mu.Unlock()
		c.with(func(members map[string]*Status) {
			for name := range members {
				members[name] = reachable(false)
			}
		})
		time.Sleep(time.Minute)
		h.mu.Lock()
		for _, name := range []string{"m0000", "m0001", "m0002"} {
			if o := h.objects[name]; o == nil || o.Status.Conditions[0].Status != metav1.ConditionFalse {
				t.Errorf("%s: %+v", name, o)
			}
		}
		asked := 0
		h.fail = func(*http.Request) int { asked++; return http.StatusForbidden }
		h.mu.Unlock()
		c.with(func(members map[string]*Status) { members["m0000"] = reachable(true) })
		time.Sleep(time.Hour)
		h.mu.Lock()
		if asked < 60 || asked > 180 {
			t.Errorf("%d requests in an hour to a hub that refuses", asked)
		}
		h.fail = nil
		h.mu.Unlock()
		time.Sleep(2 * time.Minute)
		h.mu.Lock()
		if h.objects["m0000"].Status.Conditions[0].Status != metav1.ConditionTrue {
			t.Error("nothing is written once the hub allows it")
		}
		h.mu.Unlock()
	})
}

// BenchmarkLook is the comparison of 5,000 members with what the hub has, of which none
// has changed.
func BenchmarkLook(b *testing.B) {
	c := &crowd{members: map[string]*Status{}}
	w := New(Options{Members: c.all, Known: func() bool { return true }})
	w.held = map[string]*held{}
	for i := range 5000 {
		name := fmt.Sprint("m", i)
		s := reachable(true)
		for _, kind := range []string{"Synced", "Fresh", "Throttled"} {
			s.Conditions = append(s.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "R", Message: "12 streams are live", LastTransitionTime: metav1.Now()})
		}
		s.State, s.UID, s.ServerVersion, s.Source = "live", "3f1e2d4c-0000-4000-8000-000000000000", "v1.35.0", "Secret fleet/"+name
		s.Routes = []Route{{"stdout:", true}}
		c.members[name] = s
		w.held[name] = &held{}
		w.held[name].set(s.bounded())
	}
	b.ReportAllocs()
	for b.Loop() {
		if tasks := w.look(time.Now()); len(tasks) > 0 {
			b.Fatalf("%d tasks", len(tasks))
		}
	}
}
