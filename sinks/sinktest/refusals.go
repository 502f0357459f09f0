package sinktest

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// OpenRefusing is [Open] for a sink whose destination can be made to refuse single
// changes. From refuse on it refuses those for which the function returns an error,
// for good where that is permanent; nothing with nil.
type OpenRefusing func(t *testing.T) (sink pipeline.Sink, read func() []pipeline.Event, refuse func(func(*pipeline.Change) error))

// RunRefusing runs what a sink has to do with changes that it refuses by
// themselves, one subtest for each rule. A sink that never does needs [Run] alone.
func RunRefusing(t *testing.T, open OpenRefusing) {
	for _, rule := range []struct {
		name  string
		check func(*testing.T, OpenRefusing)
	}{
		{"the others are accepted", othersAreAccepted},
		{"for good or for now", forGoodOrForNow},
		{"what follows of a key comes again", followsComesAgain},
		{"a batch of nothing else", nothingElse},
	} {
		t.Run(rule.name, func(t *testing.T) { rule.check(t, open) })
	}
}

var errRefused = errors.New("refused by the suite")

// refusing returns what refuses the changes of these names.
func refusing(err error, names ...string) func(*pipeline.Change) error {
	return func(c *pipeline.Change) error {
		if slices.Contains(names, c.Key.Name) {
			return err
		}
		return nil
	}
}

// refused writes a batch in which something is refused, and returns the reasons by
// index. A permanent error of a whole batch of several has it split, as the batcher
// does.
func refused(t *testing.T, sink pipeline.Sink, batch []*pipeline.Change) map[int]error {
	t.Helper()
	err := sink.Write(t.Context(), batch)
	partial, ok := errors.AsType[*pipeline.BatchError](err)
	switch {
	case err == nil:
		return nil
	case ok:
		again(t, batch, partial)
		return partial.Failed
	case !pipeline.IsPermanent(err):
		t.Fatalf("Write: %v: a refusal of single changes must name them, or be permanent", err)
	case len(batch) == 1:
		return map[int]error{0: err}
	}
	half := len(batch) / 2
	all := map[int]error{}
	maps.Copy(all, refused(t, sink, batch[:half]))
	for i, err := range refused(t, sink, batch[half:]) {
		all[half+i] = err
	}
	return all
}

// at checks which changes of a batch were refused.
func at(t *testing.T, reasons map[int]error, want ...int) {
	t.Helper()
	if got := slices.Sorted(maps.Keys(reasons)); !slices.Equal(got, want) {
		t.Errorf("refused at %v, want %v: %v", got, want, reasons)
	}
}

func othersAreAccepted(t *testing.T, open OpenRefusing) {
	sink, read, refuse := open(t)
	batch := []*pipeline.Change{state("a", 1), state("bad", 1), state("b", 1), state("worse", 1), state("c", 1)}
	refuse(refusing(errRefused, "bad", "worse"))
	at(t, refused(t, sink, batch), 1, 3)
	same(t, []*pipeline.Change{batch[0], batch[2], batch[4]}, read())

	refuse(nil)
	write(t, sink, batch[1], batch[3])
	same(t, batch, read())
}

func forGoodOrForNow(t *testing.T, open OpenRefusing) {
	for name, err := range map[string]error{"now": errRefused, "good": pipeline.Permanent(errRefused)} {
		sink, _, refuse := open(t)
		refuse(refusing(err, "bad"))
		reasons := refused(t, sink, []*pipeline.Change{state("a", 1), state("bad", 1)})
		at(t, reasons, 1)
		if got, want := pipeline.IsPermanent(reasons[1]), pipeline.IsPermanent(err); got != want {
			t.Errorf("refused for %s: permanent is %v: %v", name, got, reasons[1])
		}
	}
}

// followsComesAgain refuses the deletion of a ghost, whose name the next change
// takes, and the first of several states: what was refused has not the last word when
// all of its key are written again, whether the sink had accepted them or not.
func followsComesAgain(t *testing.T, open OpenRefusing) {
	sink, read, refuse := open(t)
	batch := []*pipeline.Change{state("a", 1), ghost("name", 1), state("name", 1), state("b", 1), state("b", 2)}
	refuse(func(c *pipeline.Change) error {
		if c.Ghost || c.Key.Name == "b" && c.ResourceVersion == "1" {
			return errRefused
		}
		return nil
	})
	reasons := refused(t, sink, batch)
	if reasons[1] == nil || reasons[3] == nil || reasons[0] != nil {
		t.Fatalf("refused %v, want at least those at 1 and 3, and not that at 0", reasons)
	}
	refuse(nil)
	write(t, sink, again(t, batch, &pipeline.BatchError{Failed: reasons})...)
	same(t, batch, read())
}

func nothingElse(t *testing.T, open OpenRefusing) {
	sink, read, refuse := open(t)
	refuse(refusing(errRefused, "a", "b"))
	batch := []*pipeline.Change{state("a", 1), state("b", 1)}
	at(t, refused(t, sink, batch), 0, 1)
	same(t, nil, read())
	refuse(nil)
	write(t, sink, batch...)
	same(t, batch, read())
}
