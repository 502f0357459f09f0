//go:build linux && !race

package sources

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/sources/connection"
	"github.com/fairlead-dev/fairlead/sources/fleet"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// The child processes of TestHostileMember: which part they play, and where the
// kubeconfig with the members good and liar is.
const (
	childPart       = "FAIRLEAD_TEST_HOSTILE_PART"
	childKubeconfig = "FAIRLEAD_TEST_HOSTILE_KUBECONFIG"
)

// memoryLimit is what a process may take that follows a hostile member, in KiB of
// resident memory. The test's own binary is in it.
const memoryLimit = 256 << 10

// lie is a call, and what is answered to it without end.
type lie struct {
	about       testenv.About
	code        int
	start, more string
	refused     testenv.About // so that the call is made
}

var (
	identityLies = []lie{
		{about: testenv.Identity, code: 200, start: `{"metadata":{"managedFields":[`, more: `{},`},
		{about: testenv.Version, code: 200, start: `{"gitVersion":"`, more: `x`, refused: testenv.Identity},
		{about: testenv.Everything, code: 503, start: `{"kind":"Status","message":"`, more: `x`},
	}
	discoveryLies = []lie{
		{about: testenv.Discovery, code: 200, start: `{"resources":[`, more: `{},`},
		{about: testenv.Discovery, code: 200, start: `{"groups":[`, more: `{"name":"a","versions":[{"version":"v1"}]},`},
		{about: testenv.Discovery, code: 200, start: `{"resources":[{"name":"`, more: `xxxxxxxx`},
		{about: testenv.Discovery, code: 404, more: `x`},
	}
	objectLies = []lie{
		{about: testenv.Objects, code: 200, start: `{"metadata":{"name":"`, more: `x`},
		{about: testenv.Objects, code: 500, start: `{"kind":"Status","details":{"causes":[`, more: `{},`},
	}
	watchLies = []lie{
		{about: anyWatch, code: 200, start: `{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"ownerReferences":[`, more: `{},`},
		{about: anyWatch, code: 200, start: `{"type":"ERROR","object":{"kind":"Status","code":500,"details":{"causes":[`, more: `{},`},
		{about: anyWatch, code: 200, more: ` `},
	}
	listLies = []lie{
		{about: testenv.StreamingLists, code: 200, start: `{"type":"ADDED","object":{"metadata":{"name":"`, more: `x`},
		{about: testenv.StreamingLists, code: 500, start: `{"kind":"Status","details":{"causes":[`, more: `{},`},
		{about: testenv.Lists, code: 200, start: `{"kind":"ConfigMapList","apiVersion":"v1","items":[`, more: `{},`, refused: testenv.StreamingLists},
		{about: testenv.Lists, code: 200, start: `{"metadata":{"resourceVersion":"1","continue":"`, more: `x`, refused: testenv.StreamingLists},
		{about: testenv.Lists, code: 200, start: `{"items":[{"metadata":{"name":"`, more: `x`, refused: testenv.StreamingLists},
	}
)

// TestHostileMember: each call that a member can be asked is answered without
// end, as it is or in a thousandth of its size. The process that follows it stays
// within its memory, goes on with another member, and ends when it is asked to.
func TestHostileMember(t *testing.T) {
	for part, rounds := range map[string][][]lie{
		"streams": {objectLies, watchLies, identityLies, listLies, discoveryLies},
		"caches":  {discoveryLies, watchLies, identityLies, listLies},
	} {
		for kind, body := range map[string]func(code int, start, more string) testenv.Lie{
			"endless": testenv.Endless, "unpacked": testenv.GzipBomb,
		} {
			t.Run(part+", "+kind, func(t *testing.T) {
				good, liar := testenv.StartHostile(t, "good"), testenv.StartHostile(t, "liar")
				c := startChild(t, part, good, liar)
				for i, round := range rounds {
					if i > 0 || part == "streams" { // it has something to go on from
						liar.Honest()
						liar.Drop()
						c.tell("begin")
						for _, name := range []string{fmt.Sprint("honest-", i), fmt.Sprint("watched-", i)} {
							liar.Put("configmaps", "default", name, nil)
							c.await(name)
						}
					}
					for j, l := range round {
						told := &telling{asked: make(chan struct{}, 1), enough: make(chan struct{})}
						liar.Honest()
						if l.refused != nil {
							liar.Lie(l.refused, testenv.Refuse(http.StatusForbidden, "Forbidden", "not here"))
						}
						if l.refused != nil && i == 3 {
							liar.Lie(l.refused, testenv.Refuse(http.StatusBadRequest, "BadRequest", "not here"))
						}
						liar.Lie(l.about, body(l.code, l.start, l.more))
						liar.Lie(l.about, told.of)
						liar.Put("configmaps", "default", "another", nil)
						if i > 2 { // it has to list again
							liar.Lie(testenv.Watches, testenv.Refuse(http.StatusGone, "Expired", "too old"))
						}
						liar.Drop()
						c.tell("begin")
						name := fmt.Sprintf("told-%d-%d", i, j)
						for n, drops := 0, 0; n < 2; { // asked, and asked again
							select {
							case <-told.asked:
								n, drops = n+1, 0
							case <-time.After(5 * time.Second):
								liar.Drop() // a watch was opened before that
								// The caches' reflectors wait for up to a minute between two calls (30 s
								// and a jitter of as much again).
								if drops++; drops > 24 {
									t.Fatalf("%s: was not asked; the child said:\n%s", name, c.said())
								}
							}
						}
						if part == "streams" && i == len(rounds)-1 { // both streams have asked, and have just begun to read
							select {
							case <-told.enough:
							case <-time.After(10 * time.Second):
							}
						}
						good.Put("configmaps", "default", name, nil)
						c.await(name)
					}
				}
				c.end()
			})
		}
	}
}

func anyWatch(r *http.Request) bool { return testenv.Watches(r) || testenv.StreamingLists(r) }

// telling tells of requests, and whether they were answered long enough: that their
// reader has given up again and again, or has read of one answer more than it may
// hold.
type telling struct {
	asked  chan struct{}
	enough chan struct{} // closed
	once   sync.Once
	ended  atomic.Int32
}

func (l *telling) of(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case l.asked <- struct{}{}:
		default:
		}
		next.ServeHTTP(&measured{w, l, 0}, r)
		if l.ended.Add(1) > 5 { // some are cut by the test
			l.isEnough()
		}
	})
}

func (l *telling) isEnough() { l.once.Do(func() { close(l.enough) }) }

type measured struct {
	http.ResponseWriter
	telling *telling
	n       int
}

func (w *measured) Write(p []byte) (int, error) {
	if w.n += len(p); w.n > memoryLimit<<10 {
		w.telling.isEnough()
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *measured) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// child is a process that follows a good member and one that lies.
type child struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser

	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed and replaced
}

func startChild(t *testing.T, part string, members ...testenv.Target) *child {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := testenv.WriteKubeconfig(file, members...); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, changed: make(chan struct{})}
	c.cmd = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostileChild$")
	c.cmd.Env = append(os.Environ(), childPart+"="+part, childKubeconfig+"="+file, "GOMEMLIMIT=200MiB")
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	c.cmd.Stdout, c.cmd.Stderr = w, w
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reads sync.WaitGroup
	reads.Go(func() {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			c.mu.Lock()
			c.lines = append(c.lines, lines.Text())
			close(c.changed)
			c.changed = make(chan struct{})
			c.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		if c.cmd.ProcessState == nil {
			_ = c.cmd.Process.Kill()
			_ = c.cmd.Wait()
		}
		_ = w.Close()
		reads.Wait()
	})
	return c
}

func (c *child) tell(what string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, what); err != nil {
		c.t.Fatalf("%v; the child said:\n%s", err, c.said())
	}
}

func (c *child) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.lines[max(0, len(c.lines)-20):], "\n")
}

// await waits until the child has delivered an object.
func (c *child) await(name string) {
	c.t.Helper()
	given := time.After(time.Minute)
	for seen := 0; ; {
		c.mu.Lock()
		lines, changed := c.lines[seen:], c.changed
		seen += len(lines)
		c.mu.Unlock()
		for _, line := range lines {
			if line == "told "+name {
				return
			}
		}
		select {
		case <-changed:
		case <-given:
			c.t.Fatalf("%s was not delivered; the child said:\n%s", name, c.said())
		}
	}
}

// end asks the child to end, and looks what it took.
func (c *child) end() {
	c.t.Helper()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	hung := time.AfterFunc(time.Minute, func() { _ = c.cmd.Process.Kill() })
	_ = c.in.Close()
	err := c.cmd.Wait()
	hung.Stop()
	if err != nil {
		c.t.Fatalf("%v; the child said:\n%s", err, c.said())
	}
	usage, ok := c.cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		c.t.Fatal("the kernel does not tell what it took")
	}
	c.t.Logf("it took %d MiB", usage.Maxrss>>10)
	if usage.Maxrss > memoryLimit {
		c.t.Errorf("it took %d MiB, more than %d", usage.Maxrss>>10, memoryLimit>>10)
	}
}

// TestHostileChild is what startChild starts.
func TestHostileChild(t *testing.T) {
	part, file := os.Getenv(childPart), os.Getenv(childKubeconfig)
	if part == "" {
		t.Skip("not started by another test")
	}
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	member := func(name string, turn int) fleet.Member {
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: file}, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		config.Impersonate = rest.ImpersonationConfig{UserName: fmt.Sprint("turn-", turn)} // another configuration
		return fleet.Member{Name: name, REST: config}
	}
	quick := connection.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, HealthInterval: time.Second, MaxAnswer: 16 << 20}
	var set func(fleet.Member)
	var told func() []string
	switch part {
	case "streams":
		l, err := ledger.Open(t.Context(), ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		specs, err := stream.ParseSpecs([]string{"configmaps", "widgets.hostile.example"})
		if err != nil {
			t.Fatal(err)
		}
		h := &harness{t: t, queue: newQueue(), ledger: l}
		h.sources = New(Options{
			Config: Config{
				Connection: quick,
				Stream:     stream.Config{ReconnectMin: 10 * time.Millisecond, ReconnectMax: time.Second, AuditInterval: time.Second},
			},
			Specs: specs, Routes: []Route{{Name: "a", Queue: h.queue}}, Ledger: ledger.NewHandle(h.ledger, nil),
		})
		var runs sync.WaitGroup
		running, end := context.WithCancel(context.Background())
		runs.Go(func() { _ = h.sources.Run(running) })
		defer func() {
			end()
			runs.Wait()
			close(h.queue.stop)
			<-h.queue.done
		}()
		set = h.sources.Set
		told = func() (names []string) {
			for _, change := range h.queue.told() {
				names = append(names, strings.Fields(change)[1])
			}
			return names
		}
	case "caches":
		m := manage(t, member("good", 0).REST, CachesOptions{Connection: quick})
		set = m.caches.Set
		told = func() (names []string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for req := range m.seen {
				names = append(names, req.Name)
			}
			clear(m.seen)
			return names
		}
	}
	set(member("good", 0))
	turns := make(chan struct{})
	var reads sync.WaitGroup
	defer reads.Wait()
	reads.Go(func() { // until the parent closes it
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			select {
			case turns <- struct{}{}:
			case <-ctx.Done():
			}
		}
	})
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for turn := 1; ; {
		select {
		case <-turns:
			set(member("liar", turn))
			turn++
		case <-look.C:
			for _, name := range told() {
				fmt.Println("told " + name)
			}
		case <-ctx.Done():
			return
		}
	}
}
