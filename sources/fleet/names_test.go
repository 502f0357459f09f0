package fleet

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// listed is a fake provider: what tests put into it is what it finds.
type listed struct{ findings []Description }

func (p *listed) String() string      { return "listed" }
func (p *listed) NewScanner() Scanner { return p }
func (p *listed) Scan() []Description { return p.findings }

// names is a fleet whose descriptions and clock a test sets.
type names struct {
	*Fleet
	t    *testing.T
	list *listed
	got  *recorder
	now  time.Time
}

func newNames(t *testing.T, o Options) *names {
	n := &names{t: t, list: &listed{}, got: &recorder{members: map[string]Member{}}, now: time.Now()}
	o.Providers, o.Handler = []Provider{n.list}, n.got
	n.Fleet = New(o)
	n.Fleet.events = newEvents() // gathered, and never sent
	return n
}

// are makes these the descriptions, the elder ones first: a Secret's name, with
// an annotation's after a colon, or a file.
func (n *names) are(descriptions ...string) {
	n.list.findings = nil
	for _, d := range descriptions {
		own, name, chosen := strings.Cut(d, ":")
		if !chosen {
			name = own
		}
		f := Description{Source: "Secret fleet/" + own, Name: name, Chosen: chosen, Object: &corev1.ObjectReference{Name: own}}
		if file, ok := strings.CutPrefix(own, "file "); ok {
			f = Description{Source: own, Name: file}
		}
		f.Member = &Member{Name: f.Name, Source: f.Source, Fingerprint: own, REST: &rest.Config{}}
		n.list.findings = append(n.list.findings, f)
	}
}

// after checks who has the name x a while later, and what the others are told.
func (n *names) after(d time.Duration, owner, problem string) {
	n.t.Helper()
	n.now = n.now.Add(d)
	n.poll(n.now)
	if got := n.got.members["x"].Source; got != owner {
		n.t.Errorf("x is %q, want %q", got, owner)
	}
	var problems []string
	for _, p := range n.Problems() {
		problems = append(problems, p.Error())
	}
	if got := strings.Join(problems, "; "); (problem == "") != (got == "") || !strings.Contains(got, problem) {
		n.t.Errorf("problems %q, want %q", got, problem)
	}
}

// A Secret that is deleted and created again keeps its name, although an elder
// one claims it.
func TestANameIsNotTakenByRotation(t *testing.T) {
	n := newNames(t, Options{})
	n.are("x")
	n.after(0, "Secret fleet/x", "")
	n.are("thief:x", "x")
	n.after(time.Second, "Secret fleet/x", `Secret fleet/thief: cluster "x" is described by Secret fleet/x already`)
	n.are("thief:x")
	until := n.now.Add(time.Minute + DefaultNameHold).UTC().Format(time.RFC3339)
	n.after(time.Minute, "", `Secret fleet/thief: cluster "x" was described by Secret fleet/x, which is gone; the name is kept for it until `+until)
	n.after(4*time.Minute, "", until)
	if !n.free.Equal(n.now.Add(time.Minute)) {
		t.Errorf("free at %v, it is %v", n.free, n.now)
	}
	n.are("thief:x", "x")
	n.after(0, "Secret fleet/x", "Secret fleet/thief")
	if n.free != (time.Time{}) {
		t.Error("it is still kept")
	}
	n.are("thief:x")
	n.after(0, "", "kept")
	n.after(DefaultNameHold, "Secret fleet/thief", "")
	n.are("thief:x", "x") // too late: who has it keeps it
	n.after(time.Hour, "Secret fleet/thief", "Secret fleet/x")
}

func TestOwnNamesGoFirst(t *testing.T) {
	n := newNames(t, Options{})
	n.are("thief:x", "other:x", "x") // as after a restart
	n.after(0, "Secret fleet/x", "Secret fleet/thief")
	n = newNames(t, Options{})
	n.are("b:x", "a:x") // of the others the elder one
	n.after(0, "Secret fleet/b", "Secret fleet/a")
}

// Files are the operator's: they need not wait. Nor does anybody if names are not
// kept.
func TestWhoNeedNotWait(t *testing.T) {
	n := newNames(t, Options{})
	n.are("x")
	n.after(0, "Secret fleet/x", "")
	n.are("thief:x", "file x")
	n.after(0, "file x", "Secret fleet/thief")
	n.are("thief:x") // nor is a file's name kept
	n.after(0, "Secret fleet/thief", "")

	n = newNames(t, Options{NameHold: -1})
	n.are("x")
	n.after(0, "Secret fleet/x", "")
	n.are("heir:x")
	n.after(0, "Secret fleet/heir", "")
}
