package lab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
)

// Program is a fairlead that was started. A nil one was never.
type Program struct {
	*child.Process
	expected atomic.Bool // that it ends
	watch    sync.WaitGroup
}

// StartProgram starts a program as fairlead, with all its output added to the file
// log. It calls fail if the program ends before it is expected to. Whoever starts it
// sees to its end, with Stop or Kill.
func StartProgram(fail context.CancelCauseFunc, log, program string, args ...string) (*Program, error) {
	cmd := exec.Command(program, args...) //nolint:noctx // It outlives the call that starts it.
	// Of a program that was built with the race detector.
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	process, err := child.Start("fairlead", cmd, log)
	if err != nil {
		return nil, err
	}
	p := &Program{Process: process}
	p.watch.Go(func() {
		<-p.Exited()
		if !p.expected.Load() {
			fail(p.EndedByItself())
		}
	})
	return p, nil
}

// Expect says that the program may end from now on.
func (p *Program) Expect() { p.expected.Store(true) }

// Stop is Stop of the process, whose end is expected then.
func (p *Program) Stop(grace time.Duration) error {
	if p == nil {
		return nil
	}
	p.Expect()
	defer p.watch.Wait()
	return p.Process.Stop(grace)
}

// Kill is Kill of the process, whose end is expected then.
func (p *Program) Kill() error {
	if p == nil {
		return nil
	}
	p.Expect()
	defer p.watch.Wait()
	return p.Process.Kill()
}

// Ask sends a request without a body and returns the answer, whatever its code.
func Ask(ctx context.Context, client *http.Client, method, url string) (code int, body []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // Read only.
	body, err = io.ReadAll(response.Body)
	return response.StatusCode, body, err
}

// Get returns the page at url. Another answer than 200 is an error.
func Get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	code, body, err := Ask(ctx, client, http.MethodGet, url)
	if err == nil && code != http.StatusOK {
		err = fmt.Errorf("%s: %d %s: %s", url, code, http.StatusText(code), strings.TrimSpace(string(body)))
	}
	return body, err
}
