package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/testenv/volume"
)

// For a test with a small volume there are two processes: a keeper, which has it
// mounted, and the program, which the keeper starts and kills, so that the volume
// outlives it.

// volumeSize is that of the keeper's volume in bytes.
const volumeSize = 2 << 20

// runKeeper does what each line of its input says, and tells when it is done.
// "full" leaves no room for the ledger in dir: on a volume, something else takes
// the rest of it; with "limit" instead, no file may become larger than the
// ledger is now.
func runKeeper(mode, dir string, flags []string) error {
	if mode == "volume" {
		if err := volume.Mount(dir, volumeSize); err != nil {
			return err
		}
	}
	signal.Ignore(syscall.SIGXFSZ)
	var program *exec.Cmd
	var in io.WriteCloser
	full := func(is bool) error {
		if mode == "volume" {
			return fillVolume(filepath.Join(dir, "something else"), is)
		}
		limit := uint64(1 << 40)
		if is {
			info, err := os.Stat(filepath.Join(dir, "ledger"))
			if err != nil {
				return err
			}
			limit = uint64(info.Size())
		}
		_, err := fmt.Fprintln(in, limit)
		return errors.Join(err, limitFiles(limit)) // what is started later has it from here
	}
	end := func(how syscall.Signal) error {
		if err := program.Process.Signal(how); err != nil {
			return err
		}
		if err := program.Wait(); how == syscall.SIGTERM {
			return err
		}
		return nil
	}
	stdin := bufio.NewScanner(os.Stdin)
	for _, _ = fmt.Fprintln(os.Stderr, "keeper: done mount"); stdin.Scan(); _, _ = fmt.Fprintln(os.Stderr, "keeper: done", stdin.Text()) {
		var err error
		switch stdin.Text() {
		case "start":
			program = exec.Command(os.Args[0], flags...)
			program.Env = append(os.Environ(), asChild+"=program")
			program.Stdout, program.Stderr = os.Stdout, os.Stderr
			if in, err = program.StdinPipe(); err == nil {
				err = program.Start()
			}
		case "kill":
			err = end(syscall.SIGKILL)
		case "stop":
			err = end(syscall.SIGTERM)
		case "full", "space":
			err = full(stdin.Text() == "full")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", stdin.Text(), err)
		}
	}
	return stdin.Err()
}

func fillVolume(path string, full bool) error {
	if !full {
		return os.Remove(path)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func limitFiles(n uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &now); err != nil {
		return err
	}
	now.Cur = min(n, now.Max)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &now)
}

// runProgram is `fairlead run`, but that it tells where it serves. Each line it
// reads is the size that a file may have; it ends with its keeper.
func runProgram(flags []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		defer stop()
		for stdin := bufio.NewScanner(os.Stdin); stdin.Scan(); {
			n, err := strconv.ParseUint(stdin.Text(), 10, 64)
			if err := errors.Join(err, limitFiles(n)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
		}
	}()
	var cfg Config
	set := pflag.NewFlagSet("run", pflag.ContinueOnError)
	cfg.addFlags(set, new(Options))
	if err := set.Parse(flags); err != nil {
		return err
	}
	s, err := cfg.parse(Options{})
	if err != nil {
		return err
	}
	p, err := newProgram(ctx, s, os.Stdout, newLogger(os.Stderr, "info", "text"), &registry{Registerer: metrics.Registry})
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "program: serves %s and %s\n", p.servers[0].Listener.Addr(), p.healthAddress)
	return p.run(ctx)
}

// process is `fairlead run` in a process that a keeper starts and kills.
type process struct {
	t   *testing.T
	in  io.WriteCloser
	out *recorder
	log *logged

	metrics, health string // addresses
}

// startKeeper skips the test where a volume cannot be mounted.
func startKeeper(t *testing.T, mode, dir string, flags ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{mode, dir}, flags...)...)
	cmd.Env = append(os.Environ(), asChild+"=keeper")
	p := &process{t: t, out: newRecorder(), log: &logged{}}
	cmd.Stdout, cmd.Stderr = p.out, p.log
	if mode == "volume" {
		cmd.SysProcAttr = volume.OwnMounts()
	}
	p.in = must(cmd.StdinPipe())(t)
	if err := cmd.Start(); err != nil {
		t.Skip("not allowed to mount a small volume: ", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = p.in.Close()
		if err := <-ended; err != nil && !t.Skipped() {
			t.Error("the keeper:", err)
		}
		if t.Failed() {
			t.Log(p.log.String())
		}
	})
	p.await("the keeper is there", func() bool {
		select {
		case err := <-ended:
			ended <- err
			t.Skip("not allowed to mount a small volume: ", p.log.String())
		default:
		}
		return strings.Contains(p.log.String(), "keeper: done mount")
	})
	return p
}

// do has the keeper do something.
func (p *process) do(what string) {
	p.t.Helper()
	done := "keeper: done " + what + "\n"
	n := strings.Count(p.log.String(), done)
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		p.t.Fatal(err)
	}
	p.await(what, func() bool { return strings.Count(p.log.String(), done) > n })
}

var serves = regexp.MustCompile(`program: serves (\S+) and (\S+)`)

// start starts the program and waits until it serves.
func (p *process) start() {
	p.t.Helper()
	n := len(serves.FindAllString(p.log.String(), -1))
	p.do("start")
	p.await("the program serves", func() bool {
		all := serves.FindAllStringSubmatch(p.log.String(), -1)
		if len(all) == n {
			return false
		}
		p.metrics, p.health = all[n][1], all[n][2]
		code, _ := p.try(p.health, "/healthz")
		return code == http.StatusOK
	})
}

func (p *process) await(what string, ok func() bool) {
	p.t.Helper()
	err := wait.PollUntilContextTimeout(p.t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		return ok(), nil
	})
	if err != nil {
		p.t.Fatalf("%s: did not come about", what)
	}
}

// try returns code and body of an answer, or zero and the error.
func (p *process) try(address, path string) (int, string) {
	req := must(http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+address+path, nil))(p.t)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

func (p *process) ready() (ok bool, body string) {
	p.t.Helper()
	code, body := p.try(p.health, "/readyz")
	if code != http.StatusOK && code != http.StatusInternalServerError {
		p.t.Fatalf("/readyz answers %d: %s", code, body)
	}
	return code == http.StatusOK, body
}

func (p *process) status() (s api.Status) {
	p.t.Helper()
	code, body := p.try(p.health, "/clusters")
	if err := json.Unmarshal([]byte(body), &s); err != nil || code != http.StatusOK {
		p.t.Fatalf("/clusters answers %d: %v\n%s", code, err, body)
	}
	return s
}

// metric returns the line of /metrics that begins with a name and labels.
func (p *process) metric(name string) string {
	p.t.Helper()
	_, body := p.try(p.metrics, "/metrics")
	for line := range strings.Lines(body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// logged is what a process wrote to stderr.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
