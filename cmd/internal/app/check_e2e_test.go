package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/cmd/internal/findings"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// TestCommandsNameTheCause injects each fault into a fleet of real control planes. Both
// fairlead check and fairlead explain say soon which it is, of which cluster, and nothing of
// what is well. How long that takes is reported.
func TestCommandsNameTheCause(t *testing.T) {
	env := testenv.Start(t, testenv.Spec{Name: "alpha"}, testenv.Spec{Name: "beta"})
	t.Run("healthy", func(t *testing.T) { testHealthyFleet(t, env) })
	t.Run("rolling update", func(t *testing.T) { testFindingsOfARollingUpdate(t, env) })
	for i, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel() // most of the time passes in the windows of checks
			s := newFaultStand(t, env, fmt.Sprint(i))
			if f.volume && s.onVolume(t, &f) {
				return
			}
			flags := f.inject(t, s)
			if f.pre {
				t.Run("before it runs", func(t *testing.T) {
					s.checks(t, s.soon(t), &f, append([]string{"check", "--pre", "--timeout=8s"}, flags...))
				})
			}
			r := startWith(t, s.options, newRecorder(), append(flags, "--admin-bind-address=127.0.0.1:0", "--drain-timeout=1s")...)
			if f.then != nil {
				if r.program.election == nil || f.leads {
					r.await("the streams are live", func() bool {
						all := r.program.status(time.Now()).Clusters
						return len(all) > 0 && !slices.ContainsFunc(all, func(c api.Cluster) bool { return !r.streamsLive(c.Name) })
					})
				} else {
					r.await("it follows", func() bool { return r.program.electionStatus().Leader != "" })
				}
				f.then(t, s, r)
			}
			s.named(t, &f, "--admin=http://"+r.program.adminAddress.String())
		})
	}
}

// named has both commands name the fault of the program at an address, from now on.
func (s *stand) named(t *testing.T, f *fault, at string) {
	t.Helper()
	within := s.soon(t)
	var asked sync.WaitGroup
	asked.Go(func() { s.explains(t, within, f, at) })
	asked.Go(func() { s.checks(t, within, f, []string{"check", at}) })
	asked.Wait()
}

// explains runs fairlead explain until it names the fault.
func (s *stand) explains(t *testing.T, within *soon, f *fault, at string) {
	t.Helper()
	var out string // of the last one
	object := cmp.Or(f.object, "configmaps/a")
	err := wait.PollUntilContextCancel(within, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		text, err := commandWith(ctx, "explain", "alpha", object, "-n", s.ns, at)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		out = text
		if f.reason == "" {
			out = fmt.Sprint(err)
			return err != nil && strings.Contains(out, f.code) && strings.Contains(out, f.says), nil
		}
		return err == nil && strings.Contains(out, "of cluster alpha") && strings.Contains(out, ": "+string(f.reason)+": ") &&
			strings.Contains(out, f.code+": ") && strings.Contains(out, cmp.Or(f.explained, f.says)), nil
	})
	if err != nil {
		t.Errorf("explain of %s does not say %s and %s after %v: %s", object, f.reason, f.code, within, out)
		return
	}
	t.Logf("explain named %s within %v:\n%s", f.code, within, out)
	if strings.Contains(out, "canary") {
		t.Errorf("credentials are shown: %s", out)
	}
	for _, code := range codesIn.FindAllString(out, -1) {
		if code != f.code && !slices.Contains(f.also, code) && !slices.Contains(slow, code) {
			t.Errorf("explain says %s, too: %s", code, out)
		}
	}
}

// slow are codes of what may be so where the machine of the tests is slow: a cluster is
// asked for the first time, answers slowly, or not in time.
var slow = []string{"FL1014", "FL1025", "FL1026"}

var codesIn = regexp.MustCompile(`FL[0-9]{4}`)

// checks runs fairlead check until it has found the fault.
func (s *stand) checks(t *testing.T, within *soon, f *fault, args []string) {
	t.Helper()
	var c *api.Check
	var out string // of the last one
	err := wait.PollUntilContextCancel(within, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		text, err := commandWith(ctx, append(args, "-o", "json")...)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		c = nil
		if text = text[max(strings.Index(text, "{"), 0):]; err != nil && !errors.Is(err, errFound) {
			out = err.Error()
			return false, nil
		}
		out = text
		unread := json.NewDecoder(strings.NewReader(text)).Decode(&c)
		return unread == nil && found(c, f.code, f.cluster, f.says), nil
	})
	if err != nil {
		t.Errorf("%s about %q is not found after %v: %s", f.code, f.cluster, within, out)
		return
	}
	t.Logf("check named %s within %v", f.code, within)
	if strings.Contains(out, "canary") {
		t.Errorf("credentials are shown: %s", out)
	}
	for _, one := range c.Findings {
		if slices.Contains(slow, one.Code) && one.Severity != api.SeverityError {
			continue
		}
		if one.Cluster == "beta" || one.Code != f.code && !slices.Contains(f.also, one.Code) {
			t.Errorf("this is found, too: %+v", one)
		}
	}
	if worst := findings.Worst(c.Findings); f.info && worst != api.SeverityInfo {
		t.Errorf("the worst is of severity %s", worst)
	}
}

func testHealthyFleet(t *testing.T, env *testenv.Env) {
	s := newFaultStand(t, env, "healthy")
	dir := t.TempDir()
	flags := append(s.well(t), "--sink=file:"+filepath.Join(dir, "out"), "--ledger="+filepath.Join(dir, "ledger"), "--dead-letter="+filepath.Join(dir, "dead"))
	for _, form := range []string{"text", "junit", "wide", "yaml", "json"} {
		t.Log(findsNothing(t, append([]string{"check", "--pre", "-o", form, "--fail-on=warning"}, flags...)...))
	}
	r := start(t, append(flags, "--admin-bind-address=127.0.0.1:0")...)
	r.await("all is live", func() bool { return r.streamsLive("alpha") && r.streamsLive("beta") })
	s.many()
	r.explains("configmaps/many-9", s.ns, api.ReasonDelivered, "as /v1/configmaps/")
	at := "--admin=http://" + r.program.adminAddress.String()
	findsNothing(t, "explain", "alpha", "configmaps/many-9", "-n", s.ns, at)
	findsNothing(t, "check", at, "--fail-on=warning")
	deep := findsNothing(t, "check", at, "--deep", "--fail-on=warning", "-o=json")
	if strings.Count(deep, `"result": "clean"`) != 2 {
		t.Errorf("two audits are not clean: %s", deep)
	}
}

// findsNothing runs a command about a healthy fleet until it finds nothing, and returns what
// it says then. Before, it may find what is so on a slow machine and passes, and nothing else.
func findsNothing(t *testing.T, args ...string) (out string) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 200*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		var err error
		if out, err = command(t, args...); err == nil && !codesIn.MatchString(out) {
			return true, nil
		}
		if more := unexpected(out); len(more) > 0 || err != nil && !errors.Is(err, errFound) {
			return false, fmt.Errorf("it finds %v: %w", more, err)
		}
		return false, nil
	})
	if err != nil {
		t.Errorf("%v of a healthy fleet: %v: %s", args, err, out)
	}
	return out
}

// unexpected returns the codes that an output has beside some, and beside those that may be
// found for a moment because the machine is slow.
func unexpected(out string, also ...string) []string {
	return slices.DeleteFunc(codesIn.FindAllString(out, -1), func(code string) bool {
		return slices.Contains(slow, code) || slices.Contains(also, code)
	})
}

// testFindingsOfARollingUpdate replaces the leader of a healthy fleet by a process that has
// followed it. Nothing is found meanwhile but what is so while a handover takes its time, which
// is a warning once it has taken long, as on a slow machine; and nothing at all once the other
// one leads.
func testFindingsOfARollingUpdate(t *testing.T, env *testenv.Env) {
	s := newFaultStand(t, env, "rolling")
	stand, dir := leaseStand(t, env.Cluster("alpha"), s.ns), t.TempDir()
	run := func() *running {
		return start(t, append(append(s.well(t)[:2], stand.follower...), "--sink=file:"+filepath.Join(dir, "out"), "--ledger="+filepath.Join(dir, "ledger"),
			"--leader-elect", "--advertise-address=127.0.0.1", "--health-probe-bind-address="+freeAddress(t), "--admin-bind-address=127.0.0.1:0")...)
	}
	delivers := func(r *running) bool {
		return r.program.electionStatus().Role == "leader" && r.streamsLive("alpha") && r.streamsLive("beta")
	}
	// checked runs a check by way of a process; not ok: nobody could be asked for a moment.
	checked := func(r *running) (out string, ok bool) {
		out, err := command(t, "check", "--fail-on=warning", "--admin=http://"+r.program.adminAddress.String())
		if more := unexpected(out, "FL1501", "FL1502", "FL1503", "FL1505"); errors.Is(err, errFound) && len(more) > 0 {
			t.Errorf("in a healthy fleet: %s\n%v", out, err)
		}
		return out, err == nil
	}
	first := run()
	first.await("it delivers", func() bool { return delivers(first) })
	second := run()
	second.await("it follows", func() bool { return second.program.electionStatus().Leader != "" })
	for _, r := range []*running{first, second} { // which asks the first one
		r.await("nothing is found while one leads and another follows", func() bool {
			out, ok := checked(r)
			return ok && !codesIn.MatchString(out)
		})
	}
	ended := make(chan error, 1)
	go func() { ended <- first.stop() }()
	asked := 0
	second.await("it leads, and nothing is found", func() bool {
		led := delivers(second)
		out, ok := checked(second)
		asked++
		return led && ok && !codesIn.MatchString(out)
	})
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d checks in the course of the update", asked)
}
