package stream

import (
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// distribute hands a state over to those that deliver it. Those that deliver it in the
// same form share the object.
func (a *attempt) distribute(b []byte, f *wire.Frame, now time.Time, tooLong bool, name ledger.Name, version ledger.Version, snapshot bool, to []routed) error {
	var part wire.Copying
	if delivers(to) {
		part = a.choose(b, f, tooLong, name)
	} else {
		a.progress.reduced.note(name, false)
	}
	a.size(part.Size, to)
	to, err := a.afford(to)
	if err != nil {
		return err
	}
	defer func() { releaseAll(to) }() // of those that it has not come to
	if len(to) == 0 {
		return nil
	}
	if !paid(to) && (snapshot || a.owesToken(version.ResourceVersion)) && a.spendToken(a.target.name) {
		for i := range to {
			to[i].branch.cursor.Paid(name)
		}
	}
	var objects map[*selection.Program][]byte // the forms of the object beside the one as it is
	var object []byte
	if delivers(to) {
		if object, err = a.target.object(a.buffers, b, f, part); err != nil {
			return err
		}
	}
	a.spill.Drop() // all of the frame that is needed has been copied
	if object != nil {
		objects = a.shapes(object, to)
	}
	op := pipeline.Updated
	switch f.Type {
	case wire.Added:
		op = pipeline.Added
	case wire.Deleted:
		op = pipeline.Deleted
	}
	for len(to) > 0 {
		r := to[0]
		to = to[1:]
		c := &pipeline.Change{
			Key:    pipeline.Key{Cluster: a.cluster, Resource: a.target.name, Namespace: name.Namespace, Name: name.Name},
			Origin: r.branch.origin, Op: op,
			UID: uid(version.UID), ResourceVersion: version.ResourceVersion,
			Snapshot: snapshot, Observed: now, Sequence: r.observation.Sequence, Generation: r.observation.Generation,
			Object: object, Together: r.together, Memory: r.memory, Rests: true,
		}
		switch {
		case r.outside: // what is not selected does not leave the member
			c.Op, c.Tombstone, c.Object = pipeline.Deleted, true, nil
		case r.branch.rules.shaper != nil:
			c.Object = objects[r.branch.rules.shaper]
		}
		if err := a.handOver(r.branch, c); err != nil {
			return err
		}
	}
	return nil
}

// paid reports whether a token was taken before for the state, to whomever it goes.
func paid(to []routed) bool {
	for i := range to {
		if !to[i].observation.Paid {
			return false
		}
	}
	return true
}

// delivers reports whether anybody delivers the object itself.
func delivers(to []routed) bool {
	for i := range to {
		if !to[i].outside {
			return true
		}
	}
	return false
}

// shapes returns the object in each form that is delivered beside the one as it is. Each
// that delivers it keeps the memory that its form takes. The object's own is given back
// if nobody delivers that.
func (a *attempt) shapes(object []byte, to []routed) map[*selection.Program][]byte {
	var shaped map[*selection.Program][]byte
	asItIs := false
	for _, r := range to {
		p := r.branch.rules.shaper
		switch {
		case r.outside:
		case p == nil:
			asItIs = true
		case shaped[p] == nil:
			if shaped == nil {
				shaped = map[*selection.Program][]byte{}
			}
			shaped[p] = shape(a.buffers, p, object)
		}
	}
	if asItIs || shaped != nil {
		a.shrinkForms(object, shaped, to)
	}
	if !asItIs {
		a.buffers.Put(object)
	}
	return shaped
}

// shape returns an object in a form, in memory of its own, and no more of it than that takes.
func shape(to *wire.Buffers, p *selection.Program, object []byte) []byte {
	shaped := p.AppendShaped(to.Get(len(object)), object)
	if wire.BufferSize(len(shaped)) >= cap(shaped) {
		return shaped
	}
	fits := append(to.Get(len(shaped)), shaped...)
	to.Put(shaped)
	return fits
}

// shrinkForms has those that deliver an object keep what their form of it takes, if that is
// less than was taken for it.
func (a *attempt) shrinkForms(object []byte, shaped map[*selection.Program][]byte, to []routed) {
	less := false
	for i := range to {
		r := &to[i]
		if r.outside {
			continue
		}
		size := cap(object)
		if p := r.branch.rules.shaper; p != nil {
			size = cap(shaped[p])
		}
		less = less || size < r.size
		r.size = min(r.size, size)
	}
	if less {
		shrink(to)
	}
}

// choose tells what of the object in f is handed on.
func (a *attempt) choose(b []byte, f *wire.Frame, tooLong bool, name ledger.Name) wire.Copying {
	part, why, err := a.target.choose(b, f, tooLong)
	if err != nil {
		a.reject(why, err)
	}
	a.progress.reduced.note(name, err != nil && f.Type != wire.Deleted)
	return part
}

// choose tells what of the object in f is handed on, and why it is not all that was
// asked for.
func (t *target) choose(b []byte, f *wire.Frame, tooLong bool) (part wire.Copying, why rejection, err error) {
	if t.secret || t.metadata {
		return wire.MetadataOf(f, t.secret), 0, nil
	}
	if why, err := reduce(f, b, tooLong); err != nil {
		return wire.MetadataOf(f, false), why, err
	}
	return wire.ObjectOf(f, t.gvr.GroupVersion().WithKind(t.kind)), 0, nil
}

// object returns a copy of what was chosen.
func (t *target) object(to *wire.Buffers, b []byte, f *wire.Frame, part wire.Copying) ([]byte, error) {
	switch {
	case t.secret:
		return wire.WithoutLastApplied(wire.CopyMetadata(nil, b, f))
	case part.Metadata:
		return wire.CopyMetadata(to, b, f), nil
	default:
		return wire.CopyObject(to, b, f, t.gvr.GroupVersion().WithKind(t.kind)), nil
	}
}
