package app

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// testKind is a kind of sink whose values are SCHEME:TEXT.
func testKind(scheme string, open func(string) (pipeline.Sink, error)) sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{Scheme: scheme, Usage: scheme + ":", Summary: "for a test", Rest: sinks.Optional},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			rest := v.Rest
			return &sinks.Spec{
				Identity: scheme + ":" + rest,
				Open:     func(context.Context, sinks.Env) (pipeline.Sink, error) { return open(rest) },
			}, nil
		},
	}
}

func TestTheTablesAreValid(t *testing.T) {
	for flag, table := range new(Options).tables() {
		if err := table.Validate(); err != nil {
			t.Errorf("--%s: %v", flag, err)
		}
	}
}

// What a landed version was given has the identity that it had in the ledger: the
// whole text.
func TestLandedSinksKeepTheirIdentity(t *testing.T) {
	for _, text := range []string{
		"stdout:", "file:changes.jsonl", "file:/var/lib/a b.jsonl", "file:./x", "file:a:b", "file://x", "file:what?", "file:a?b", "file:a?b=c&d", "file:100%25+", "file:a@b:c#d", "file:~/x",
		"file:X?n=1", "file:X?na=", "file:X?frame=", "file:X?rename=",
	} {
		s, err := parseSinks([]string{text}, new(Options).sinkKinds())
		if err != nil || s[0].Identity != text {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
	}
}

// Since values of parameters may hold question marks, a path may not hold what begins like a
// parameter: the text is refused, and no other file is written.
func TestPathsThatBeginLikeAParameter(t *testing.T) {
	_, err := parseSinks([]string{"file:X?name=a?b"}, new(Options).sinkKinds())
	if err == nil || !strings.Contains(err.Error(), "is no name") {
		t.Errorf("%v", err)
	}
}

func TestNameIsTheIdentity(t *testing.T) {
	_, err := parseFlags(t, "--watch=pods", "--sink=file:/a?name=audit", "--sink=stdout:?name=audit")
	if err == nil || !strings.Contains(err.Error(), `--sink: "audit" is given twice`) {
		t.Errorf("two sinks of one name: %v", err)
	}
	s, err := parseFlags(t, "--watch=pods", "--sink=file:/a?name=audit", "--sink=file:/a")
	if err != nil || s.sinks[0].Identity != "audit" || s.sinks[1].Identity != "file:/a" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestLandedLedgersAreUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		"fairlead.ledger": "fairlead.ledger", "/a/b": "/a/b", "./a:b": "./a:b", "a:b": "a:b", "what?": "what?", "bolt:/a": "/a", "memory:": "memory:",
		"b:x": "b:x", "m:x": "m:x", "mem:x": "mem:x", "boot:x": "boot:x", "x?b=1": "x?b=1", "memori:x": "",
		"": "", "memry:": "", "memory:x": "", "postgres://u:pw@h/d": "",
	} {
		s, err := new(Options).storeKinds().Parse(text)
		if (err == nil) != (want != "") || err == nil && (s.Identity != want || (s.Open == nil) != (text == "memory:")) {
			t.Errorf("%q: %+v, %v", text, s, err)
		}
		if err != nil && strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: the error shows a password: %v", text, err)
		}
	}
}

// A password in a value of --sink ends up nowhere.
func TestAPasswordInASinkIsRefused(t *testing.T) {
	for _, text := range []string{"postgres://u:hunter2@h/d", "u:hunter2@h", "db://u:hunter2@h/t", "db://u:hunter2/@h/t", "db:u:hunter2@h", "db://u:hunter2",
		"db://h/t?password=hunter2", "db://h/t?password=hun&ter2", "db://u:hun?ter2", "db://u:hun?ter2=1", "db://h?password=a&b=c&ter2=1", "db://h/t?ter2", "db://h/t?pass%77ord=a&ter2=1",
		"db://h/t?password=hun&name=ter2!", "db://h/t?name=a?password=ter2!",
	} {
		_, err := parseSinks([]string{text}, sinks.Kinds{throwAway(new(thrown))})
		if err == nil || strings.Contains(err.Error(), "ter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// thrown is a sink that notes what is done to it.
type thrown struct {
	env                    sinks.Env
	open, reopened, closed int
	checked                int
	refuses                error
}

func (s *thrown) Write(context.Context, []*pipeline.Change) error { return nil }
func (s *thrown) Reopen()                                         { s.reopened++ }
func (s *thrown) Check(ctx context.Context) error {
	if _, bounded := ctx.Deadline(); bounded {
		s.checked++
	}
	return errors.New("cannot be reached") // which ends nothing
}
func (s *thrown) Close() error { s.closed++; return nil }

func throwAway(to *thrown) sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "db", Usage: "db://HOST/TABLE", Summary: "for a test", Rest: sinks.URL, User: true, Credentials: "passwordFile",
			Params: []sinks.Param{{Name: "passwordFile", Type: sinks.File, Meaning: "its password"}},
		},
		Parse: func(v *sinks.Value) (*sinks.Spec, error) {
			if v.Hosts[0] == "" || v.Path == "" {
				return nil, errors.New("names no table")
			}
			return &sinks.Spec{Identity: "db://" + strings.Join(v.Hosts, ",") + v.Path, Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
				if to.open++; to.refuses != nil {
					return nil, to.refuses
				}
				to.env = env
				return to, nil
			}}, nil
		},
	}
}

// memory is a store of a kind that has no file, no pages and no size.
type memory struct{ closed int }

func (m *memory) Load(context.Context, func(string, []byte, iter.Seq2[[]byte, []byte]) error) error {
	return nil
}
func (m *memory) Apply(context.Context, []ledger.Update) error { return nil }
func (m *memory) Close() error                                 { m.closed++; return nil }

func throwAwayStore(s *memory) ledger.StoreKind {
	return ledger.StoreKind{
		Form: spec.Form{Scheme: "heap", Usage: "heap:", Summary: "for a test", Rest: spec.Nothing},
		Parse: func(*spec.Value) (*ledger.StoreSpec, error) {
			return &ledger.StoreSpec{
				Identity:     "heap:",
				Open:         func(context.Context) (ledger.Store, error) { return s, nil },
				OpenExisting: func(context.Context, bool) (ledger.Store, error) { return s, nil },
			}, nil
		},
	}
}

// A kind that nobody has heard of takes a line in a table. It is opened with what
// it needs, and closed.
func TestAKindOfSinkTakesOneLine(t *testing.T) {
	to, store := &thrown{}, &memory{}
	o := Options{Version: "7", Sinks: sinks.Kinds{throwAway(to)}, stores: ledger.StoreKinds{throwAwayStore(store)}}
	s := parseWith(t, o, "--watch=pods", "--clusters=dir:"+t.TempDir(), "--sink=db://u@H/t?passwordFile=/x", "--ledger=heap:",
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0")
	reg := prometheus.NewRegistry()
	var out bytes.Buffer
	p := must(newProgram(t.Context(), s, &out, newLogger(outputOf(t), "info", "text"), reg))(t)
	if to.open != 1 || p.current().sinks[0].name != "db://h/t" || to.env.UserAgent != "fairlead/7" || to.env.Stdout != io.Writer(&out) {
		t.Errorf("opened %d times as %q with %+v", to.open, p.current().sinks[0].name, to.env)
	}
	if err := to.env.Registerer.Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "x", Help: "x"})); err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	hangup, ended := make(chan os.Signal), make(chan error)
	go func() { ended <- p.current().sinks.run(ctx, p.dead, hangup) }()
	hangup <- os.Interrupt // whichever: the program listens for one
	hangup <- os.Interrupt // the first has been dealt with
	awaitStatus(t, func() bool { return p.current().sinks[0].batcher.Status().LastError == "cannot be reached" })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	p.close()
	if to.checked < 1 {
		t.Error("it was not checked with a bound on the time")
	}
	if to.reopened < 1 || to.closed != 1 || store.closed != 1 {
		t.Errorf("reopened %d times, closed %d times, the store %d times", to.reopened, to.closed, store.closed)
	}
}

func TestCommandsOfferWhatAStoreHas(t *testing.T) {
	store := &memory{}
	run := func(args ...string) (string, error) {
		var out bytes.Buffer
		cmd := NewCommand(Options{stores: ledger.StoreKinds{throwAwayStore(store)}})
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"ledger"}, args...))
		err := cmd.Execute()
		return out.String(), err
	}
	if text, err := run("verify", "--ledger=heap:"); err != nil || strings.Contains(text, "pages") || !strings.Contains(text, "heap: is whole") {
		t.Errorf("verify: %q, %v", text, err)
	}
	if text, err := run("inspect", "--ledger=heap:"); err != nil || !strings.HasPrefix(text, "Ledger heap:: 0 cursors") {
		t.Errorf("inspect: %q, %v", text, err)
	}
	if _, err := run("compact", "--ledger=heap:"); err == nil || !strings.Contains(err.Error(), "cannot be compacted") {
		t.Errorf("compact: %v", err)
	}
	if store.closed != 2 {
		t.Errorf("the store was closed %d times, want 2", store.closed)
	}
}
