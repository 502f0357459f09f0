package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// simServer is an API server with ConfigMaps in namespace ns, each with a label
// colour, a history that can be compacted, and watches that can be cut.
type simServer struct {
	docs *fakeServer // discovery

	mu        sync.Mutex
	rand      *rand.Rand
	odd       bool // is no kube-apiserver: deletions may have no version of their own
	rv, uids  int
	compacted int // versions below are forgotten
	objects   map[string]simObject
	log       []simEvent
	changed   chan struct{} // closed and made anew with each change
	cut       chan struct{} // likewise: ends all watches
	watches   int
	lists     int // that were served, as streams too
	opened    int // watches that were, from a version on
	read      int // watches that the stream has not closed, and at the most at once
	mostRead  int
}

type simObject struct {
	uid, rv int
	colour  string
}

type simEvent struct {
	rv   int
	odd  bool // a deletion that is shown with the version of the state that it ends
	name string
	was  *simObject
	is   *simObject // nil: deleted
}

func newSimServer(r *rand.Rand) *simServer {
	return &simServer{docs: newFakeServer(), rand: r, rv: 10, objects: map[string]simObject{}, changed: make(chan struct{}), cut: make(chan struct{})}
}

// write changes one object.
func (s *simServer) write() {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := string(rune('a' + s.rand.IntN(6)))
	s.rv++
	e := simEvent{rv: s.rv, name: name}
	if was, ok := s.objects[name]; ok {
		e.was = &was
	}
	if e.was != nil && s.rand.Float64() < 0.35 {
		delete(s.objects, name)
		e.odd = s.odd && s.rand.IntN(2) == 0
	} else {
		is := simObject{rv: s.rv, colour: string("rb"[s.rand.IntN(2)])}
		if e.was != nil {
			is.uid = e.was.uid
			if s.rand.Float64() > 0.3 {
				is.colour = e.was.colour
			}
		} else {
			s.uids++
			is.uid = s.uids
		}
		s.objects[name], e.is = is, &is
	}
	s.log = append(s.log, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *simServer) compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted += s.rand.IntN(s.rv - s.compacted + 1)
}

func (s *simServer) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.cut)
	s.cut = make(chan struct{})
}

func simUID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func (o simObject) json(name string) string {
	return fmt.Sprintf(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":%q,"namespace":"ns","uid":%q,"resourceVersion":"%d","labels":{"colour":%q,"phase":"%d"}}}`,
		name, simUID(o.uid), o.rv, o.colour, o.phase())
}

func (s *simServer) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &fakeCall{Request: r, answer: make(chan *http.Response, 1), failure: make(chan error, 1)}
	if !strings.HasSuffix(r.URL.Path, "/configmaps") {
		return s.docs.RoundTrip(r)
	}
	q := c.query()
	selects := func(o *simObject) bool {
		want := strings.TrimPrefix(q.Get("labelSelector"), "colour=")
		return o != nil && (want == "" || want == o.colour)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if q.Get("watch") != "true" {
		s.lists++
		var items []string
		for name, o := range s.objects {
			if only, one := strings.CutPrefix(q.Get("fieldSelector"), "metadata.name="); one && only != name {
				continue
			}
			if selects(&o) && q.Get("limit") != "1" {
				items = append(items, o.json(name))
			}
		}
		c.reply(200, fmt.Sprintf(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"%d"},"items":[%s]}`, s.rv, strings.Join(items, ",")))
		return <-c.answer, nil
	}
	from, _ := strconv.Atoi(q.Get("resourceVersion"))
	if q.Get("sendInitialEvents") != "true" && from < s.compacted {
		c.reply(410, status(410, "Expired", "too old resource version"))
		return <-c.answer, nil
	}
	var initial []string
	if q.Get("sendInitialEvents") == "true" {
		s.lists++
		for name, o := range s.objects {
			if selects(&o) {
				initial = append(initial, `{"type":"ADDED","object":`+o.json(name)+`}`)
			}
		}
		s.rand.Shuffle(len(initial), func(i, j int) { initial[i], initial[j] = initial[j], initial[i] })
		from = s.rv
		initial = append(initial, endMark(strconv.Itoa(from)))
	} else {
		s.opened++
	}
	s.watches++
	body, w := io.Pipe()
	s.read++
	s.mostRead = max(s.read, s.mostRead)
	c.respond(200, &readBody{PipeReader: body, closed: sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.read--
	})})
	go s.serve(r.Context(), w, initial, from, selects, s.cut)
	return <-c.answer, nil
}

// mostWatches returns how many watches were read at once since it was called last.
func (s *simServer) mostWatches() (most int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most, s.mostRead = s.mostRead, s.read
	return most
}

// readBody is a watch as the stream reads it.
type readBody struct {
	*io.PipeReader
	closed func()
}

func (b *readBody) Close() error {
	defer b.closed()
	return b.PipeReader.Close()
}

// serve writes a watch until it is cut.
func (s *simServer) serve(ctx context.Context, w *io.PipeWriter, frames []string, from int, selects func(*simObject) bool, cut chan struct{}) {
	defer func() {
		_ = w.Close()
		s.mu.Lock()
		s.watches--
		s.mu.Unlock()
	}()
	defer context.AfterFunc(ctx, func() { _ = w.CloseWithError(ctx.Err()) })()
	for {
		for _, f := range frames {
			if _, err := io.WriteString(w, f+"\n"); err != nil {
				return
			}
		}
		s.mu.Lock()
		changed := s.changed
		frames = nil
		for _, e := range s.log {
			if e.rv <= from {
				continue
			}
			from = e.rv
			switch before, after := selects(e.was), selects(e.is); {
			case before && after:
				frames = append(frames, `{"type":"MODIFIED","object":`+e.is.json(e.name)+`}`)
			case after:
				frames = append(frames, `{"type":"ADDED","object":`+e.is.json(e.name)+`}`)
			case before:
				gone := *e.was
				if !e.odd {
					gone.rv = e.rv
				}
				frames = append(frames, `{"type":"DELETED","object":`+gone.json(e.name)+`}`)
			}
		}
		if len(frames) == 0 && s.rand.Float64() < 0.3 {
			frames = append(frames, mark(strconv.Itoa(from)))
		}
		s.mu.Unlock()
		if len(frames) > 0 {
			continue
		}
		select {
		case <-changed:
		case <-time.After(time.Minute):
		case <-cut:
			return
		case <-ctx.Done():
			return
		}
	}
}

// simSink is the destination of one route: what a state sink has, one that drops
// for ever what has an id that it had, and one that orders by sequence.
type simSink struct {
	mu        sync.Mutex
	rand      *rand.Rand
	hung      chan struct{} // nil: it is not
	refuses   float64
	slow      time.Duration
	odd       bool // as its server
	delivered int

	// A replay is confirmed once its number is asked. Each object is to come once more, in
	// a delivery that began after it.
	asking, asked int
	replayed      map[string]int // name -> the last number when the delivery of its state began

	state    map[string]map[string]string // name -> UID -> version
	ids      map[string]bool
	unique   map[string]map[string]string
	latest   map[string][2]uint64 // name -> term, sequence
	ordered  map[string]map[string]string
	seen     map[string]bool // UIDs
	gone     map[string]bool
	newest   map[string]int              // name -> version, of one process
	check    func(*pipeline.Event) error // of each event; nil: nothing
	problems []string
	told     []string
}

func newSimSink(r *rand.Rand) *simSink {
	return &simSink{
		rand: r, state: map[string]map[string]string{}, ids: map[string]bool{}, unique: map[string]map[string]string{},
		latest: map[string][2]uint64{}, ordered: map[string]map[string]string{}, seen: map[string]bool{}, gone: map[string]bool{}, newest: map[string]int{}, replayed: map[string]int{},
	}
}

func apply(state map[string]map[string]string, e *pipeline.Event) {
	if e.Op() == pipeline.Deleted {
		delete(state[e.Name], e.UID())
		return
	}
	if state[e.Name] == nil {
		state[e.Name] = map[string]string{}
	}
	state[e.Name][e.UID()] = e.ResourceVersion
}

func (s *simSink) receive(c *pipeline.Change, asking int) {
	e, err := pipeline.ParseEvent(c.AppendCloudEvent(nil))
	if err != nil {
		s.problems = append(s.problems, err.Error())
		return
	}
	if s.check != nil {
		if err := s.check(&e); err != nil {
			s.problems = append(s.problems, err.Error())
		}
	}
	s.delivered++
	s.told = append(s.told, fmt.Sprintf("%s %s %s at %d", e.Type[23:], e.ID, e.Name, e.Sequence))
	apply(s.state, &e)
	if e.Op() == pipeline.Deleted {
		s.gone[e.UID()] = true
	} else {
		s.seen[e.UID()] = true
		s.replayed[e.Name] = asking
	}
	repeat := s.ids[e.ID]
	if !repeat {
		s.ids[e.ID] = true
		apply(s.unique, &e)
	}
	at := [2]uint64{uint64(e.Term), uint64(e.Sequence)}
	if was := s.latest[e.Name]; slices.Compare(at[:], was[:]) >= 0 {
		s.latest[e.Name] = at
		apply(s.ordered, &e)
	} else if !c.Ghost {
		s.problems = append(s.problems, fmt.Sprintf("%s %s of sequence %d after %d", e.Type, e.ID, at, was))
	}
	if n, _ := strconv.Atoi(e.ResourceVersion); !e.Snapshot {
		// A watch from before may show a deletion without a version of its own again, and
		// nobody can tell that it is that one.
		if n < s.newest[e.Name] && !(s.odd && repeat && e.Op() == pipeline.Deleted) {
			s.problems = append(s.problems, fmt.Sprintf("backwards: %s after %d", e.ID, s.newest[e.Name]))
		}
		s.newest[e.Name] = max(n, s.newest[e.Name])
	}
}

// Deliver implements pipeline.Destination.
func (s *simSink) Deliver(ctx context.Context, tell func(int, error), changes ...*pipeline.Change) error {
	s.mu.Lock()
	hung, slow, asking := s.hung, s.slow, s.asking
	s.mu.Unlock()
	if hung != nil {
		select {
		case <-hung:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-time.After(slow):
	case <-ctx.Done():
		return ctx.Err()
	}
	failed := map[pipeline.Key]bool{}
	for i, c := range changes {
		s.mu.Lock()
		refused := failed[c.Key] || s.rand.Float64() < s.refuses
		if refused {
			failed[c.Key] = true
		} else {
			s.receive(c, asking)
		}
		switch {
		case refused && s.rand.IntN(2) == 0:
			tell(i, pipeline.RetryAfter(errSimRefused, 2*time.Second)) // long enough to be evicted
		case refused:
			tell(i, errSimRefused)
		default:
			tell(i, nil)
		}
		s.mu.Unlock()
	}
	return nil
}

var errSimRefused = errors.New("the sink does not want it")

// compare tells what is wrong in the end.
func (s *simSink) compare(server *simServer, colours string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	problems := slices.Clone(s.problems)
	right := map[string]map[string]string{}
	alive := map[string]bool{}
	for name, o := range server.objects {
		if strings.Contains(colours, o.colour) {
			right[name] = map[string]string{simUID(o.uid): strconv.Itoa(o.rv)}
			alive[simUID(o.uid)] = true
		}
	}
	for what, state := range map[string]map[string]map[string]string{"": s.state, " in a sink that drops repeats": s.unique, " in one that orders by sequence": s.ordered} {
		for name := range state {
			if len(state[name]) == 0 {
				delete(state, name)
			}
		}
		if !maps.EqualFunc(state, right, maps.Equal) {
			problems = append(problems, fmt.Sprintf("wrong final state%s: has %v, want %v", what, state, right))
		}
	}
	for name := range right {
		if n := s.replayed[name]; n < s.asked {
			problems = append(problems, fmt.Sprintf("replay %d was confirmed, and %s was delivered last after replay %d", s.asked, name, n))
		}
	}
	for uid := range s.seen {
		if !alive[uid] && !s.gone[uid] {
			problems = append(problems, "never deleted: "+uid)
		}
	}
	return problems
}
