package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources"
)

// Stream is one stream of a member, as sources.Comparison is.
type Stream interface {
	Resource() string
	Namespace() string // the only one that is followed; empty: all
	List(ctx context.Context, yield func(*sources.ListedObject) error) (at string, err error)
	Standing(namespace, name string, listed *sources.ListedObject, at string) sources.ComparedStanding
	Known(yield func(namespace, name string) bool)
}

// Options are what is compared.
type Options struct {
	Cluster string
	Stream  Stream
	Sink    sinks.ReadBacker
	// Sample is how many objects to compare, drawn by lot; 0: all.
	Sample int
	// Pause is between two readings.
	Pause time.Duration
}

// Difference is an object whose views differ.
type Difference struct {
	sources.ObjectName
	Object

	Verdict Verdict
}

// Result is what a comparison has come to.
type Result struct {
	Differences []Difference // by name; 10,000 at the most
	Compared    int          // objects of member, sink and ledger together
	Filtered    int          // the route does not select them, and the sink does not have them
	Pending     int          // on their way
	Changing    int          // they had other states in each reading
	More        int          // seemed to differ, beyond what is looked at twice
	Readings    int
}

const (
	mostSuspects = 10_000
	mostReadings = 5
	silence      = time.Minute // of a sink that is read
	longest      = time.Hour   // that it is read for, whatever it tells
)

var errEndless = errors.New("the sink's destination has told for an hour, and not all")

var errSilent = errors.New("the sink's destination has told nothing for a minute")

// Run compares. It returns an error if member or sink cannot be read to their ends.
func Run(ctx context.Context, o Options) (*Result, error) {
	r := &Result{}
	seed := maphash.MakeSeed()
	var open map[sources.ObjectName]suspect // nil: all
	for r.Readings < mostReadings {
		if r.Readings > 0 {
			if err := retry.Sleep(ctx, o.Pause); err != nil {
				return nil, err
			}
		}
		p := &reading{Options: o, only: open, table: newTable(seed, o.Sample), found: map[sources.ObjectName]suspect{}}
		if open != nil {
			p.table = newTable(seed, 0) // the sample is drawn
		}
		if err := p.run(ctx); err != nil {
			return nil, err
		}
		r.Readings++
		if open == nil {
			r.Compared, r.Filtered, r.More = p.compared, p.filtered, p.more
		}
		r.Pending += p.pending
		for name, now := range p.found {
			if before, twice := open[name]; twice && before.same(&now) {
				r.Differences = append(r.Differences, Difference{name, now.Object, now.Verdict})
				delete(p.found, name)
			}
		}
		if open = p.found; len(open) == 0 {
			break
		}
	}
	r.Changing = len(open)
	slices.SortFunc(r.Differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return r, nil
}

// suspect is an object that differs in one reading.
type suspect struct {
	Object
	Verdict
}

func (s suspect) same(other *suspect) bool {
	return s.Verdict == other.Verdict && s.Member == other.Member && s.Sink == other.Sink && s.Acked() == other.Acked()
}

// reading is one reading of member, sink and ledger, in that order: the ledger knows of
// what is on its way to the sink before the sink has it, and until it is accepted.
type reading struct {
	Options

	only    map[sources.ObjectName]suspect
	table   *table
	at      string              // version of the member's list
	inSink  map[uint64]struct{} // hashes of what the sink alone has
	found   map[sources.ObjectName]suspect
	counted map[sources.ObjectName]struct{} // of only: judged

	compared, filtered, pending, more int
}

func (p *reading) wants(namespace, name string) bool {
	if p.only == nil {
		return true
	}
	_, ok := p.only[sources.ObjectName{Namespace: namespace, Name: name}]
	return ok
}

func (p *reading) run(ctx context.Context) (err error) {
	p.inSink, p.counted = map[uint64]struct{}{}, map[sources.ObjectName]struct{}{}
	p.at, err = p.Stream.List(ctx, func(o *sources.ListedObject) error {
		if !p.wants(o.Namespace, o.Name) {
			return nil
		}
		return p.table.add(o)
	})
	if err != nil {
		return err
	}
	p.table.sort()
	if err := p.readSink(ctx); err != nil {
		return err
	}
	for i := range p.table.rows {
		if r := &p.table.rows[i]; r.flags&seen == 0 {
			o := p.table.object(r)
			p.judge(o.Namespace, o.Name, &o, State{})
		}
	}
	p.restOfLedger()
	return ctx.Err()
}

// readSink compares what the sink has with the table.
func (p *reading) readSink(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer watchdog.Stop()
	limit := time.AfterFunc(longest, func() { cancel(errEndless) })
	defer limit.Stop()
	resource, only := p.Stream.Resource(), p.Stream.Namespace()
	err := p.Sink.ReadBack(ctx, p.Cluster, resource, func(h sinks.Held) error {
		watchdog.Reset(silence)
		k := h.Key
		k.Namespace, k.Name = clip(k.Namespace), clip(k.Name)
		if k.Cluster != p.Cluster || k.Resource != resource || only != "" && k.Namespace != only || !p.wants(k.Namespace, k.Name) {
			return ctx.Err()
		}
		hash := p.table.hash(k.Namespace, k.Name)
		if !p.table.takes(hash) {
			return ctx.Err()
		}
		state := State{clip(string(h.UID)), clip(h.ResourceVersion)}
		r, listed := p.table.find(hash, k.Namespace, k.Name)
		if r == nil {
			if len(p.inSink) >= mostRows {
				return errTooMany
			}
			p.inSink[hash] = struct{}{}
			p.judge(k.Namespace, k.Name, nil, state)
			return ctx.Err()
		}
		if r.flags&seen == 0 {
			r.flags |= seen
			p.judge(k.Namespace, k.Name, &listed, state)
		}
		return ctx.Err()
	})
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("read back what the sink has: %w", err)
	}
	return nil
}

// clip bounds a text of the sink, and copies it. One that is longer than any of a cluster is
// equal to none.
func clip(s string) string {
	const most = 300
	return strings.Clone(s[:min(len(s), most)])
}

// restOfLedger looks at what neither the member nor the sink has.
func (p *reading) restOfLedger() {
	if p.only != nil {
		for name := range p.only {
			if _, done := p.counted[name]; !done {
				p.judge(name.Namespace, name.Name, nil, State{})
			}
		}
		return
	}
	p.Stream.Known(func(namespace, name string) bool {
		hash := p.table.hash(namespace, name)
		if !p.table.takes(hash) {
			return true
		}
		if _, ok := p.inSink[hash]; ok {
			return true
		}
		if r, _ := p.table.find(hash, namespace, name); r == nil {
			p.judge(namespace, name, nil, State{})
		}
		return true
	})
}

// judge counts an object, and notes it if it differs.
func (p *reading) judge(namespace, name string, listed *sources.ListedObject, sink State) {
	p.compared++
	o := Object{Sink: sink}
	if listed != nil {
		o.Member = State{listed.UID, listed.ResourceVersion}
		o.Unselected, o.Undecided = listed.Unselected, listed.Undecided
	}
	key := sources.ObjectName{Namespace: namespace, Name: name}
	if p.only != nil {
		p.counted[key] = struct{}{}
	}
	if o.Member == sink && sink != (State{}) && !o.Unselected && !o.Undecided {
		return // what the ledger knows, an audit compares
	}
	o.Ledger = p.Stream.Standing(namespace, name, listed, p.at)
	switch v := o.Judge(); {
	case v == Filtered:
		p.filtered++
	case v == Pending, v == Behind:
		p.pending++
	case !v.Differs():
	case len(p.found) >= mostSuspects:
		p.more++
	default:
		p.found[key] = suspect{o, v}
	}
}
