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
}

func (c *crowd) all() (all []Member, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, s := range c.members {
		all = append(all, Member{name, new(*s)})
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

func runTable(t *testing.T, n int) (*table, *crowd) {
	h := &table{objects: map[string]*object{}}
	c := &crowd{members: map[string]*Status{}, known: true}
	for i := range n {
		c.members[fmt.Sprintf("m%04d", i)] = reachable(true)
	}
	w := New(Options{
		Namespace: "ns", Members: c.all, Log: logr.Discard(),
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

// A thousand members, and changes of all of them at once, are written at five requests per
// second; what is the same is not written; and of many changes the last one is.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 1000)
		time.Sleep(time.Minute)
		if n := len(h.wrote()); n > 5*60+20 || n < 200 {
			t.Errorf("%d writes in a minute", n)
		}
		time.Sleep(10 * time.Minute)
		h.wrote()
		time.Sleep(10 * time.Minute)
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
		time.Sleep(time.Minute)
		if n := len(h.wrote()); n > 5*70+20 {
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

// What differs in counts only is written every 30 seconds, a condition at once.
func TestLazily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, c := runTable(t, 1)
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
		h, c := runTable(t, 2)
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
		h, c := runTable(t, 3)
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
