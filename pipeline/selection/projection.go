package selection

import (
	"math"
	"slices"
	"sync"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/jsonwalk"
)

// projection says which values of an object remain, by paths:
//
//	keep     if there are groups of paths to keep, a value remains only if each
//	         group names it, or something around it
//	drop     it does not remain
//	redact   a keyed hash of it remains, see redactor
//
// What leads to a value that is kept remains with it; the objects and lists of a list
// keep their place as {} and [], so that their order can be told. Other objects and
// lists of which nothing is kept are left out. Values that remain, and keys, stand as
// they did; white space around them is left out.
type projection struct {
	start    []state
	groups   uint64 // of paths to keep, one bit for each
	redactor *redactor
	walkers  sync.Pool // of *walker
}

// state is how far a walk has come on a path. No steps are left at its end.
type state struct {
	steps []step
	do    deed
	group uint64 // of keep: the bit of its group
}

// deed is what happens with a value at the end of a path.
type deed uint8

const (
	keep deed = iota
	drop
	redact
)

// maxGroups is how many groups of paths to keep are told apart. There are three: of all
// routes, of a watch, and of a sink.
const maxGroups = 64

func newProjection(kept [][]path, dropped, redacted []path, r *redactor) *projection {
	p := &projection{redactor: r}
	for i, group := range kept {
		bit := uint64(1) << min(i, maxGroups-1)
		p.groups |= bit
		for _, path := range group {
			p.start = append(p.start, state{path, keep, bit})
		}
	}
	for _, path := range dropped {
		p.start = append(p.start, state{path, drop, 0})
	}
	for _, path := range redacted {
		p.start = append(p.start, state{path, redact, 0})
	}
	p.walkers.New = func() any { return &walker{p: p} }
	return p
}

// append appends what remains of the object to the bytes, which must not be the
// object's. It allocates nothing but what to has to grow.
func (p *projection) append(to, object []byte) []byte {
	w := p.walkers.Get().(*walker)
	defer p.walkers.Put(w)
	w.to, w.hashed = to, 0
	w.states = append(w.states[:0], p.start...)
	if _, some := w.value(jsonwalk.At(object), 0, len(w.states), 0, false); !some {
		w.to = append(w.to, "{}"...)
	}
	to, w.to = w.to, nil
	return to
}

// walker walks over one object, once.
type walker struct {
	p      *projection
	to     []byte
	states []state // a stack: those of the value that is walked over are on top
	hashed int
}

// value appends what remains of v, on which the states from up to to hold. kept are
// the groups that name something around it. It returns whether something remains, and
// if there is more to look at, what follows v.
func (w *walker) value(v jsonwalk.Value, from, to int, kept uint64, more bool) (after []byte, some bool) {
	hide, inside := false, false // whether a path goes on inside of v
	for i := from; i < to; i++ {
		s := &w.states[i]
		switch {
		case len(s.steps) > 0:
			inside = true
		case s.do == keep:
			kept |= s.group
		case s.do == drop:
			return v.After(), false
		case s.do == redact:
			hide = true
		}
	}
	all := kept == w.p.groups
	switch {
	case hide && all && w.hashed < maxRedacted:
		n := len(v.Bytes())
		w.to = w.p.redactor.append(w.to, v[:n])
		w.hashed++
		return v[n:], true
	case hide:
		return v.After(), false
	case inside && v.Kind() == jsonwalk.Object:
		return w.object(v, from, to, kept, more)
	case inside && v.Kind() == jsonwalk.List:
		return w.list(v, from, to, kept)
	case !all:
		return v.After(), false
	}
	n := len(v.Bytes())
	w.to = append(w.to, v[:n]...)
	return v[n:], true
}

func (w *walker) object(v jsonwalk.Value, from, to int, kept uint64, more bool) (after []byte, some bool) {
	start, all := len(w.to), kept == w.p.groups
	awaited := math.MaxInt
	if !all && !more {
		awaited = w.awaited(from, to)
	}
	w.to = append(w.to, '{')
	m := v.Members()
	for awaited > 0 && m.Next() {
		wanted := all
		for i := from; i < to; i++ {
			if s := &w.states[i]; s.into(m.Key) {
				w.states = append(w.states, state{s.steps[1:], s.do, s.group})
				wanted = wanted || s.do == keep
			}
		}
		if !wanted {
			w.states = w.states[:to]
			continue
		}
		awaited--
		before := len(w.to)
		if some {
			w.to = append(w.to, ',')
		}
		w.to = append(append(append(w.to, '"'), m.Key...), '"', ':')
		after, one := w.value(m.Value, to, len(w.states), kept, more || awaited > 0)
		w.states = w.states[:to]
		if m.Passed(after); one {
			some = true
		} else {
			w.to = w.to[:before]
		}
	}
	if some = some || all; some {
		w.to = append(w.to, '}')
	} else {
		w.to = w.to[:start]
	}
	return m.After(), some
}

// awaited returns how many members of an object can have something that is kept.
// Behind the last of them nothing has to be looked at.
func (w *walker) awaited(from, to int) int {
	n := 0
	for i := from; i < to; i++ {
		s := &w.states[i]
		if s.do != keep || len(s.steps) == 0 {
			continue
		}
		if s.steps[0].kind == stepEach {
			return math.MaxInt
		}
		again := slices.ContainsFunc(w.states[from:i], func(o state) bool {
			return o.do == keep && len(o.steps) > 0 && o.steps[0].kind == stepKey && o.steps[0].key == s.steps[0].key
		})
		if s.steps[0].kind == stepKey && !again {
			n++
		}
	}
	return n
}

// into reports whether the path goes on into the member of an object.
func (s *state) into(key []byte) bool {
	if len(s.steps) == 0 {
		return false
	}
	next := &s.steps[0]
	return next.kind == stepEach || next.kind == stepKey && jsontext.Is(key, next.key)
}

func (w *walker) list(v jsonwalk.Value, from, to int, kept uint64) (after []byte, some bool) {
	start, all := len(w.to), kept == w.p.groups
	w.to = append(w.to, '[')
	e, index, first := v.Elements(), 0, true
	for ; e.Next(); index++ {
		wanted, taken := all, false
		for i := from; i < to; i++ {
			s := &w.states[i]
			if len(s.steps) == 0 || !s.steps[0].matches(e.Value, index) {
				continue
			}
			w.states = append(w.states, state{s.steps[1:], s.do, s.group})
			wanted = wanted || s.do == keep
			taken = taken || s.do != keep && len(s.steps) == 1
		}
		if !wanted {
			w.states = w.states[:to]
			continue
		}
		before := len(w.to)
		if !first {
			w.to = append(w.to, ',')
		}
		kind := e.Value.Kind()
		after, one := w.value(e.Value, to, len(w.states), kept, true)
		w.states = w.states[:to]
		e.Passed(after)
		switch some = some || one; {
		case one:
		case taken || kind != jsonwalk.Object && kind != jsonwalk.List:
			w.to = w.to[:before]
			continue
		case kind == jsonwalk.Object:
			w.to = append(w.to, "{}"...)
		default:
			w.to = append(w.to, "[]"...)
		}
		first = false
	}
	if some = some || all; some {
		w.to = append(w.to, ']')
	} else {
		w.to = w.to[:start]
	}
	return e.After(), some
}
