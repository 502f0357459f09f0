package sinks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// Kind is a kind of sink.
type Kind struct {
	Form
	// Parse says what a text asks for, and reports every mistake that the form does
	// not exclude. Parameters with mistakes that are reported already have their
	// defaults. Parse connects to nothing and opens nothing.
	Parse func(v *Value) (*Spec, error)
}

// Spec is a sink that is not open yet.
type Spec struct {
	// Identity tells the sink apart in metrics, logs, dead letters and the ledger. It
	// must stay the same for as long as the destination does: a sink of another
	// identity gets every object again. It holds no credential. Parameter name=
	// replaces it.
	Identity string
	// MinBatch is the smallest batch that is of use, and MaxBatch the largest, in
	// changes. Zero means 1 and 1000. A destination that fails with MinBatch gets fewer.
	MinBatch, MaxBatch int
	// MaxBytes bounds a batch in bytes. Zero means 8 MiB. One change always fits.
	MaxBytes int
	// Concurrency is how many goroutines may call Write at once, never two with a
	// change of the same object. Zero means 1.
	Concurrency int
	// Linger is for how long after the begin of a write a batch that is not full waits for
	// more changes. It is for destinations that charge for each request: set MinBatch to
	// what a request is to have. Zero means that none waits.
	Linger time.Duration
	// Skips are resources of which the sink keeps nothing, by plural and group, such as
	// events.events.k8s.io: it accepts their changes and writes none. So the program can refuse
	// a resource that would be watched for nothing.
	Skips []string
	// Selection is what the text says of which changes the sink gets, and in which form.
	// Kinds.Parse sets it; it is checked when the rules are compiled.
	Selection Selection
	// Open validates, and takes what is local, in one attempt. A destination that cannot
	// be reached is no error of Open, but a transient one of Write. It returns an error
	// that is ErrInUse if another process has the destination, and ErrInUseHere if this one
	// has. It does not return later than ctx ends, which bounds Open only: the sink outlives
	// it. When parameters change, it is called while the sink with those of before is in
	// use. The caller closes the sink if it is an [io.Closer], after the last Write.
	Open func(ctx context.Context, env Env) (pipeline.Sink, error)
}

// Selection are the texts of a sink's rules, as those of package selection.
type Selection struct{ Where, Changed, Unchanged, Drop, Redact, Only, Preset []string }

// selectionParams are the parameters of Selection, which every kind has.
var selectionParams = []Param{
	{Name: "where", Type: spec.Texts, Meaning: "RESOURCE: EXPRESSION in CEL that is true for the objects that the sink gets; repeatable, all must be; & is written %26, ? is written %3F"},
	{Name: "changed", Type: spec.Texts, Meaning: "[RESOURCE:] PATHS of the fields whose change the sink gets; repeatable"},
	{Name: "unchanged", Type: spec.Texts, Meaning: "[RESOURCE:] PATHS of fields whose change alone it does not get; repeatable"},
	{Name: "drop", Type: spec.Texts, Meaning: "[RESOURCE:] PATHS of fields that it does not get; repeatable"},
	{Name: "redact", Type: spec.Texts, Meaning: "[RESOURCE:] PATHS of fields of whose values it gets keyed hashes; repeatable"},
	{Name: "only", Type: spec.Texts, Meaning: "[RESOURCE:] PATHS of the fields that it gets, beside the identity; repeatable"},
	{Name: "preset", Type: spec.Texts, Meaning: "[RESOURCE:] NAME of rules that many want; repeatable"},
}

func selectionOf(v *Value) Selection {
	return Selection{
		Where: v.List("where"), Changed: v.List("changed"), Unchanged: v.List("unchanged"),
		Drop: v.List("drop"), Redact: v.List("redact"), Only: v.List("only"), Preset: v.List("preset"),
	}
}

// Env is what a sink gets from the program that opens it.
type Env struct {
	// Log is the log of this sink. It is not for single changes.
	Log logr.Logger
	// Registerer takes the sink's own metrics. It labels them with the sink's identity.
	Registerer prometheus.Registerer
	// UserAgent is what the program calls itself to servers.
	UserAgent string
	// Stdout is the program's standard output.
	Stdout io.Writer
	// Trial says that the sink is opened only to be checked, and closed again: Write is not
	// called. Open and Check make, change and remove nothing then, neither a file nor what
	// parameters have them make in the destination. Another one that the same text has opened
	// may deliver meanwhile: fairlead check asks so.
	Trial bool
}

// Reopener is a sink that can open its destination anew, which it is asked for when
// the program gets SIGHUP. Reopen returns at once; any goroutine may call it, also
// while Write is under way.
type Reopener interface{ Reopen() }

// Checker is a sink that can try its destination without changing it. Check
// returns an error that says what is wrong and what to do about it, and no later
// than ctx ends. The program calls it before the first Write, which waits for it for 5 s at
// most, and again with growing pauses until it returns nil or a Write has ended; each call has
// 30 s. Until then an error is the sink's health, and in the log; it ends nothing, and Write is
// tried. After a change of settings that is done anew if none has returned nil or a [Caution] since
// Open, or the sink fails. A Caution says that the destination takes writes, but is not as it
// should be. Check may be called while Write is under way.
type Checker interface {
	Check(ctx context.Context) error
}

// Caution marks an error of Check as one that keeps no write from being accepted: that the
// destination forgets what it has confirmed when it crashes, say. It is told, and the sink
// counts as healthy. Caution of nil is nil.
func Caution(err error) error {
	if err == nil {
		return nil
	}
	return &caution{err}
}

// IsCaution reports whether an error is a [Caution] or wraps one.
func IsCaution(err error) bool {
	_, is := errors.AsType[*caution](err)
	return is
}

type caution struct{ error }

func (c *caution) Unwrap() error { return c.error }

// ErrInUse is what Open wraps while another process has the destination. With
// leader election, the program opens the sink again until that one has let go.
var ErrInUse = spec.ErrInUse

// ErrInUseHere is what Open wraps while this very process has the destination, under this
// or another name. When settings change while the program runs, it then lets go of the
// sinks that they do not name any more, and opens the sink again.
var ErrInUseHere = spec.ErrInUseHere

// Kinds are the kinds of sinks that a program knows.
type Kinds []Kind

// Table returns the forms of the kinds, for their description.
func (ks Kinds) Table() *Table {
	t := &Table{Family: "sink", Common: slices.Concat([]Param{spec.Named}, selectionParams)}
	for _, k := range ks {
		t.Forms = append(t.Forms, k.Form)
	}
	return t
}

// Parse returns what a text asks for. The error joins all mistakes of the text and
// shows no credential.
func (ks Kinds) Parse(text string) (*Spec, error) {
	i, v, err := ks.Table().Parse(text)
	if i < 0 {
		return nil, err
	}
	s, kindErr := ks[i].Parse(v)
	if err := errors.Join(err, v.Explain(kindErr)); err != nil {
		return nil, err
	}
	if v.Given(spec.Named.Name) {
		s.Identity = v.Str(spec.Named.Name)
	}
	s.Selection = selectionOf(v)
	if s.Identity == "" {
		return nil, v.Explain(fmt.Errorf("kind %s gives its sink no identity", v.Scheme))
	}
	return s, nil
}
