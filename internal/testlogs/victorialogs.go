package testlogs

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/child"
	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/internal/testprogram"
	"github.com/fairlead-dev/fairlead/internal/testserver"
)

// The module that pins VictoriaLogs.
var (
	//go:embed servers/victorialogs.mod
	victoriaLogsMod []byte
	//go:embed servers/victorialogs.sum
	victoriaLogsSum []byte
)

// VictoriaLogs is the VictoriaLogs that tests run.
var VictoriaLogs = &testprogram.Program{
	Name: "victorialogs", Env: "FAIRLEAD_VICTORIALOGS", Target: "make victorialogs",
	Mod: victoriaLogsMod, Sum: victoriaLogsSum, Module: "github.com/VictoriaMetrics/VictoriaLogs",
	Package: "github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs",
}

const (
	// requireEnv is fairleadtest.RequireEnv: with it a test fails where it would be skipped.
	requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"
	// patience is how long the server may take to start.
	patience = time.Minute
)

// Server is a server that a test has started.
type Server struct {
	// URL is http://127.0.0.1:PORT.
	URL string
}

// StartVictoriaLogs starts a server, with more flags if there are any.
func StartVictoriaLogs(t testing.TB, flags ...string) *Server {
	t.Helper()
	if testing.Short() && os.Getenv(requireEnv) == "" {
		t.Skip("needs a real VictoriaLogs: skipped with -short")
	}
	program, err := VictoriaLogs.Find()
	if err != nil {
		testserver.Missing(t, requireEnv, err)
	}
	port, err := loopback.Reserve()
	if err != nil {
		t.Fatal(err)
	}
	dir, address := t.TempDir(), fmt.Sprint("127.0.0.1:", port.Number)
	// Entries have the time of their events, which may be long ago.
	args := append([]string{"-storageDataPath=" + filepath.Join(dir, "data"), "-httpListenAddr=" + address, "-retentionPeriod=100y"}, flags...)
	process, err := child.Start("victoria-logs", exec.Command(program, args...), filepath.Join(dir, "log")) //nolint:noctx // It outlives the call that starts it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := process.Kill(); err != nil {
			t.Error(err)
		}
		_ = port.Release()
	})
	s := &Server{URL: "http://" + address}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, err := s.get(ctx, "/health")
		if err == nil {
			return s
		}
		if !process.Running() || ctx.Err() != nil {
			t.Fatalf("VictoriaLogs does not start: %v\n%s", err, process.LogTail())
		}
		_ = retry.Sleep(ctx, 20*time.Millisecond)
	}
}

// Await asks until at least so many entries match a query of LogsQL, and returns them:
// VictoriaLogs shows what it has taken after a second or so.
func (s *Server) Await(t testing.TB, query string, entries int) (found []map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		text, err := s.get(ctx, "/select/logsql/query?query="+url.QueryEscape(query))
		if err != nil {
			t.Fatal(err)
		}
		if found, err = parse(text); err != nil {
			t.Fatal(err)
		}
		if len(found) >= entries {
			return found
		}
		if err := retry.Sleep(ctx, 50*time.Millisecond); err != nil {
			t.Fatalf("%d entries match %s, want %d", len(found), query, entries)
		}
	}
}

// All returns the entries that match a query of LogsQL, of all that the server has answered to
// before.
func (s *Server) All(t testing.TB, query string) []map[string]string {
	t.Helper()
	if _, err := s.get(t.Context(), "/internal/force_flush"); err != nil {
		t.Fatal(err)
	}
	text, err := s.get(t.Context(), "/select/logsql/query?query="+url.QueryEscape(query))
	if err != nil {
		t.Fatal(err)
	}
	found, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// parse reads a line for each entry.
func parse(text io.Reader) (all []map[string]string, err error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		entry := map[string]string{}
		if err := json.Unmarshal(lines.Bytes(), &entry); err != nil {
			return nil, err
		}
		all = append(all, entry)
	}
	return all, lines.Err()
}

func (s *Server) get(ctx context.Context, path string) (io.Reader, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		return nil, err
	}
	request.Close = true // so that no connection is left
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close() //nolint:errcheck // It was read.
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, response.Status, text)
	}
	return bytes.NewReader(text), err
}
