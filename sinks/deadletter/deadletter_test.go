package deadletter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var podOrigin = &pipeline.Origin{
	Cluster: "alpha", ClusterUID: "c-1", Kind: "Pod", Namespaced: true,
	Resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"},
}

func pod(name string) *pipeline.Change {
	return &pipeline.Change{
		Key:    pipeline.Key{Cluster: "alpha", Resource: "pods", Namespace: "ns", Name: name},
		Origin: podOrigin, Op: pipeline.Added, UID: "u-1", ResourceVersion: "7", Object: []byte(`{"kind":"Pod"}`),
		Observed: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
	}
}

func mustOpen(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

var errRefused = errors.New("no such column")

func mustWrite(t *testing.T, f *File, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := f.Write("file:x", pod(name), errRefused, 3); err != nil {
			t.Fatal(err)
		}
	}
}

// holds checks which objects a file tells of, in order; no file is an empty
// one.
func holds(t *testing.T, path, want string) {
	t.Helper()
	var names []string
	for r, err := range Read(path) {
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, r.Event.Name)
	}
	if got := strings.Join(names, " "); got != want {
		t.Errorf("%s tells of %q, want %q", filepath.Base(path), got, want)
	}
}

func TestARecordSaysWhatHappened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	before := time.Now()
	reason := fmt.Errorf("%w\n\"a\" \xff <b>", errRefused)
	if err := f.Write("postgres:x", pod("a"), reason, 3); err != nil {
		t.Fatal(err)
	}
	if err := f.Write("postgres:x", pod("b"), errors.New(strings.Repeat("ä", maxReason)), 1); err != nil {
		t.Fatal(err)
	}
	var all []Record
	for r, err := range Read(path) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) != 2 {
		t.Fatalf("%d records", len(all))
	}
	if at := all[0].Time; at.Before(before) || at.After(time.Now()) || at.Location() != time.UTC {
		t.Errorf("time %v, now is %v", at, before)
	}
	event, err := pipeline.ParseEvent(pod("a").AppendCloudEvent(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := Record{Time: all[0].Time, Sink: "postgres:x", Reason: "no such column\n\"a\" \ufffd <b>", Attempts: 3, Event: event, Line: 1}
	if diff := cmp.Diff(want, all[0]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(all[1].Reason); n > maxReason || n < maxReason-3 {
		t.Errorf("a reason of %d bytes was kept", n)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		t.Errorf("created with mode %v", info.Mode())
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	mustOpen(t, taken)
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "no", "dead"), "create its folder first"},
		{dir, "is a directory"},
		{taken, "this program writes to it already"},
		{os.DevNull, "no regular file"},
	} {
		if _, err := Open(tt.path); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), strconv.Quote(tt.path)) {
			t.Errorf("Open(%q) = %v, want %q", tt.path, err, tt.want)
		}
	}
}

func TestManySinksWriteAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for n := range 20 {
				if err := f.Write(fmt.Sprint("sink-", i), pod(fmt.Sprint(n)), errRefused, 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	next := map[string]int{}
	for r, err := range Read(path) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Event.Name != strconv.Itoa(next[r.Sink]) {
			t.Errorf("%s: %s came, want %d", r.Sink, r.Event.Name, next[r.Sink])
		}
		next[r.Sink]++
	}
	if len(next) != 8 || next["sink-0"] != 20 {
		t.Errorf("read %v", next)
	}
}

func TestReadTellsGoodFromBad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	mustWrite(t, mustOpen(t, path), "a", "b")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, second, _ := strings.Cut(string(text), "\n")
	long := strings.Replace(first, `"kind":"Pod"}`, `"k":"`+strings.Repeat("x", 200_000)+`"}`, 1)
	other := filepath.Join(t.TempDir(), "other")
	lines := []string{first, "", "by hand", "{}", `{"event":{"specversion":"2"}}`, long, second + first[:30]}
	if err := os.WriteFile(other, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var good, bad []int
	for r, err := range Read(other) {
		if err == nil {
			good = append(good, r.Line)
			continue
		}
		bad = append(bad, r.Line)
		if !strings.Contains(err.Error(), fmt.Sprintf("line %d", r.Line)) || !strings.Contains(err.Error(), other) {
			t.Errorf("error %v does not say where", err)
		}
	}
	if !slices.Equal(good, []int{1, 6, 7}) || !slices.Equal(bad, []int{3, 4, 5}) {
		t.Errorf("good %v, bad %v", good, bad)
	}
	for r, err := range Read(filepath.Join(t.TempDir(), "none")) {
		if !errors.Is(err, os.ErrNotExist) || r.Line != 0 {
			t.Errorf("a file that is not there: %v, %v", r, err)
		}
	}
}

// TestWhatMayBeReadDifferentlyIsNoRecord has lines that a version before would
// have written for a member whose objects ended their event's data and went on
// with another member's attributes, and lines that were tampered with.
func TestWhatMayBeReadDifferentlyIsNoRecord(t *testing.T) {
	good := string(appendRecord(nil, time.Now(), "file:x", pod("a"), errRefused, 3))
	if _, err := parseRecord([]byte(good)); err != nil {
		t.Fatal(err)
	}
	forged := pod("a")
	forged.Object = []byte(`{"kind":"X"},"type":"dev.fairlead.resource.deleted.v1","source":"/clusters/beta","cluster":"beta","name":"precious",` +
		`"id":"/v1/pods/u-2/deleted","x":{"y":""}`)
	other := string(pod("b").AppendCloudEvent(nil))
	for name, line := range map[string]string{
		"forged":              string(appendRecord(nil, time.Now(), "file:x", forged, errRefused, 3)),
		"two events":          strings.Replace(good, `,"event":`, `,"event":`+other+`,"event":`, 1),
		"an Event":            strings.Replace(good, `,"event":`, `,"Event":`+other+`,"event":`, 1),
		"two sinks":           strings.Replace(good, `"sink":`, `"sink":"y","sink":`, 1),
		"two clusters":        strings.Replace(good, `"cluster":"alpha"`, `"cluster":"beta","cluster":"alpha"`, 1),
		"another's source":    strings.Replace(good, `/clusters/alpha`, `/clusters/beta`, 1),
		"another's id":        strings.Replace(good, `/v1/pods/u-1/7`, `/v1/pods/u-1/8`, 1),
		"two records":         strings.TrimSpace(good) + good,
		"not in UTF-8":        strings.Replace(good, "Pod", "P\xffd", 1),
		"a name that is none": strings.Replace(good, `"name":"a"`, `"name":""`, 1),
	} {
		if r, err := parseRecord([]byte(line)); err == nil {
			t.Errorf("%s: was taken for %+v", name, r)
		}
	}
}

func TestReopenAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dead")
	f := mustOpen(t, path)
	mustWrite(t, f, "a")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	f.Reopen()
	mustWrite(t, f, "b")
	holds(t, path+".1", "a")
	holds(t, path, "b")
}
