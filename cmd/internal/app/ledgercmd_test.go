package app

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.etcd.io/bbolt"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
)

// web is what the stream in that namespace selects.
func web(id ledger.StreamID) (s ledger.Selection) {
	if id.Namespace == "web" {
		s = ledger.Selection{Namespace: "web", Labels: "app=shop"}
	}
	return s
}

// writeLedger makes a ledger in which alpha has two streams and beta has left.
func writeLedger(t *testing.T) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "fairlead.ledger")
	s := must(bolt.Open(path))(t)
	l := must(ledger.Open(t.Context(), ledger.Options{Store: s}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	for i, id := range []ledger.StreamID{
		{Cluster: "beta", ClusterUID: "uid-b", Resource: "pods"},
		{Cluster: "alpha", ClusterUID: "uid-a", Resource: "deployments.apps", Namespace: "web"},
		{Cluster: "alpha", ClusterUID: "uid-a", Resource: "pods"},
	} {
		c, _ := l.Claim(ledger.Claiming{ID: id, Digest: "digest", Selection: web(id)})
		c.BeginSnapshot()
		for k := range 300 * (i + 1) {
			n, v := ledger.Name{Namespace: "web", Name: fmt.Sprint("object-", k)}, ledger.Version{UID: fmt.Sprint("uid-", k), ResourceVersion: "7"}
			sequence := c.Observe(n, v, false, true, nil).Sequence
			// As a deletion, which waits for no note: what is acked counts.
			c.Begin(sequence, n, v, true)
			c.Ack(sequence, n, v, false)
		}
		_ = slices.Collect(c.EndSnapshot("9"))
		c.Seen("9")
	}
	// One is handed over and never acked, one is deleted after the snapshot.
	c, _ := l.Claim(ledger.Claiming{ID: ledger.StreamID{Cluster: "alpha", ClusterUID: "uid-a", Resource: "pods"}, Digest: "digest"})
	for _, deleted := range []bool{true, false} {
		n, v := ledger.Name{Namespace: "web", Name: fmt.Sprint("object-", deleted)}, ledger.Version{UID: "uid", ResourceVersion: "11"}
		sequence := c.Observe(n, v, deleted, false, nil).Sequence
		if _, _, safe, _ := c.Begin(sequence, n, v, deleted); safe != nil {
			<-safe
		}
		if deleted {
			c.Ack(sequence, n, v, true)
		}
	}
	l.Leave("beta")
	cancel()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLedgerInspect(t *testing.T) {
	path := writeLedger(t)
	out := must(command(t, "ledger", "inspect", "--ledger", path, "--output=json"))(t)
	var got ledgerContent
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	size := must(os.Stat(path))(t).Size()
	if got.Path != path || got.Bytes != size || got.Pages.Size == 0 || int64(got.Pages.Total*got.Pages.Size) > size {
		t.Errorf("%s: %d bytes, %+v; the file has %d", got.Path, got.Bytes, got.Pages, size)
	}
	alpha := ledger.StreamID{Cluster: "alpha", ClusterUID: "uid-a", Resource: "pods"}
	shop := ledger.StreamID{Cluster: "alpha", ClusterUID: "uid-a", Resource: "deployments.apps", Namespace: "web"}
	want := []ledger.Description{
		{ID: shop, Selection: web(shop), Digest: "digest", Objects: 600, ResumePoint: "9"},
		{ID: alpha, Digest: "digest", Objects: 900, UnackedUIDs: 1, Deleted: 1, ResumePoint: "9"},
		{ID: ledger.StreamID{Cluster: "beta", ClusterUID: "uid-b", Resource: "pods"}, Digest: "digest", Objects: 300, ResumePoint: "9"},
	}
	if diff := cmp.Diff(want, got.Cursors, cmpopts.IgnoreFields(ledger.Description{}, "Left", "cursor")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	left := got.Cursors[2].Left
	if left.IsZero() || !got.Cursors[0].Left.IsZero() {
		t.Errorf("left at %v and %v", left, got.Cursors[0].Left)
	}

	out = must(command(t, "ledger", "inspect", "--ledger", path))(t)
	var fields [][]string
	for line := range strings.Lines(out) {
		fields = append(fields, strings.Fields(line))
	}
	wantFields := [][]string{
		strings.Fields("CLUSTER UID RESOURCE SELECTION SINK OBJECTS UNACKED UIDS DELETED RESUME POINT REDELIVER UNWATCHED SINCE LEFT SINCE"),
		strings.Fields("alpha uid-a deployments.apps namespace=web&labelSelector=app=shop - 600 0 0 9 - - -"),
		strings.Fields("alpha uid-a pods - - 900 1 1 9 - - -"),
		strings.Fields("beta uid-b pods - - 300 0 0 9 - - " + left.Format(time.RFC3339)),
	}
	if !strings.HasPrefix(out, fmt.Sprintf("Ledger %s: %d bytes, ", path, size)) || !strings.Contains(out, "; 3 cursors, 1800 objects\n") ||
		!cmp.Equal(wantFields, fields[1:]) {
		t.Errorf("(-want +got):\n%s\n%s", cmp.Diff(wantFields, fields[1:]), out)
	}
	out = must(command(t, "ledger", "inspect", "--ledger", path, "--cluster=beta"))(t)
	if strings.Contains(out, "alpha") || !strings.Contains(out, "1 cursors, 300 objects") {
		t.Errorf("of beta:\n%s", out)
	}
	if _, err := command(t, "ledger", "inspect", "--ledger", path, "--cluster=gamma"); err == nil || !strings.Contains(err.Error(), `"gamma"; it holds alpha, beta`) {
		t.Error(err)
	}
	if _, err := command(t, "ledger", "inspect", "--ledger", path, "--output=xml"); err == nil || !strings.Contains(err.Error(), "neither table nor json") {
		t.Error(err)
	}
}

// What --watch or --sink has left out is kept, and inspect tells since when.
func TestLedgerInspectTellsWhatIsLeftOut(t *testing.T) {
	path := writeLedger(t)
	s := must(bolt.Open(path))(t)
	l := must(ledger.Open(t.Context(), ledger.Options{Store: s}))(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	l.Join("alpha")
	began := time.Now().Truncate(time.Second)
	l.Watched("alpha", func(id ledger.StreamID) ledger.Following {
		if id.Resource == "pods" {
			return ledger.Unfollowed
		}
		return ledger.Followed
	}, nil)
	cancel()
	if err := errors.Join(<-ended, s.Close()); err != nil {
		t.Fatal(err)
	}
	rows := inspected(t, path, "--cluster=alpha")
	if got := rows["deployments.apps"]["UNWATCHED SINCE"]; got != "-" {
		t.Errorf("what is followed is left out since %s", got)
	}
	since, err := time.Parse(time.RFC3339, rows["pods"]["UNWATCHED SINCE"])
	if err != nil || since.Before(began) || since.After(time.Now()) {
		t.Errorf("left out since %v, want since %v: %v", since, began, err)
	}
}

// inspected returns what the table of fairlead ledger inspect has in its columns, by resource.
func inspected(t *testing.T, path string, args ...string) map[string]map[string]string {
	t.Helper()
	out := must(command(t, append([]string{"ledger", "inspect", "--ledger", path}, args...)...))(t)
	lines := strings.Split(strings.TrimSpace(out), "\n")[1:]
	columns := regexp.MustCompile(`\s{2,}`)
	names, rows := columns.Split(lines[0], -1), map[string]map[string]string{}
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range columns.Split(line, -1) {
			row[names[i]] = cell
		}
		rows[row["RESOURCE"]] = row
	}
	return rows
}

func TestLedgerOfNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	if err := must(bolt.Open(path))(t).Close(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"inspect": "0 cursors, 0 objects\n", "inspect --output=json": `"cursors": []`, "verify": "0 cursors"} {
		args := append([]string{"ledger", "--ledger=" + path}, strings.Fields(name)...)
		args[1], args[2] = args[2], args[1]
		if out, err := command(t, args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if _, err := command(t, "ledger", "forget", "--ledger", path, "--cluster=a"); !errors.Is(err, ledger.ErrUnknownCluster) || !strings.Contains(err.Error(), "it holds none") {
		t.Error(err)
	}
}

func TestLedgerVerify(t *testing.T) {
	path := writeLedger(t)
	out := must(command(t, "ledger", "verify", "--ledger", path))(t)
	for _, want := range []string{path + " is whole", " pages of ", "3 cursors: 1800 objects, 1 unacked UIDs, 1 deletions"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

func TestLedgerForgetAndCompact(t *testing.T) {
	path := writeLedger(t)
	if _, err := command(t, "ledger", "forget", "--ledger", path); err == nil || !strings.Contains(err.Error(), "--cluster NAME") {
		t.Error(err)
	}
	if _, err := command(t, "ledger", "forget", "--ledger", path, "--cluster=gamma"); !errors.Is(err, ledger.ErrUnknownCluster) || !strings.Contains(err.Error(), "alpha, beta") {
		t.Error(err)
	}
	if _, err := command(t, "ledger", "forget", "--ledger", path, "--resource=jobs"); !errors.Is(err, ledger.ErrUnknownResource) || !strings.Contains(err.Error(), "deployments.apps, pods") {
		t.Error(err)
	}
	if out, err := command(t, "ledger", "forget", "--ledger", writeLedger(t), "--resource=pods", "--cluster=beta"); err != nil || !strings.Contains(out, "Forgot resource pods of cluster beta: 1 cursors") {
		t.Error(out, err)
	}
	out := must(command(t, "ledger", "forget", "--ledger", path, "--cluster=alpha"))(t)
	for _, want := range []string{"Forgot cluster alpha: 2 cursors, 1500 objects; sinks keep them, as no deletions are sent\n", "deployments.apps", "uid-a", "900"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	before := must(os.Stat(path))(t).Size()
	out = must(command(t, "ledger", "compact", "--ledger", path))(t)
	after := must(os.Stat(path))(t).Size()
	if want := fmt.Sprintf("Compacted ledger %s from %d to %d bytes\n", path, before, after); out != want || after >= before/2 {
		t.Errorf("%s, want %s", out, want)
	}
	out = must(command(t, "ledger", "verify", "--ledger", path))(t)
	if !strings.Contains(out, "1 cursors: 300 objects") {
		t.Error(out)
	}
}

// ledgerCommands are all of them.
var ledgerCommands = [][]string{{"inspect"}, {"inspect", "--output=json"}, {"verify"}, {"compact"}, {"forget", "--cluster=alpha"}}

// TestBadLedgers has every command refuse what it cannot read, say why and what
// to do, and leave it as it is. So does fairlead run, which must not start
// afresh.
func TestBadLedgers(t *testing.T) {
	whole := must(os.ReadFile(writeLedger(t)))(t)
	damaged, page, torn := bytes.Clone(whole), bytes.Clone(whole), whole[:len(whole)/3]
	// Wherever it is: pages that are free by now may have it, too.
	record, ids := []byte("object-77"), 0
	for from := 0; ; ids++ {
		at := bytes.Index(whole[from:], record)
		if at < 0 {
			break
		}
		from += at + len(record)
		damaged[from+3] ^= 1 // within a record, so that pages are well
		copy(page[(from-1)/os.Getpagesize()*os.Getpagesize():], "junk, junk, junk, junk, junk")
	}
	if ids == 0 {
		t.Fatal("the ledger has no object-77")
	}
	for name, tc := range map[string]struct {
		file []byte
		says []string
	}{
		"a damaged record": {damaged, []string{"corrupt", "restore it from a backup"}},
		"a damaged page":   {page, []string{"corrupt", "page ", "restore it from a backup"}},
		"truncated":        {torn, []string{"corrupt", "truncated", "restore it from a backup"}},
		"empty":            {nil, []string{"corrupt", "empty", "restore it from a backup"}},
		"a newer format":   {newerLedger(t), []string{"newer version", "format 2", "update the program"}},
		"something else":   {bytes.Repeat([]byte("a log\n"), 9000), []string{"corrupt", "no ledger"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "fairlead.ledger")
			writeFile(t, path, string(tc.file))
			kubeconfig := filepath.Join(t.TempDir(), "fleet.yaml")
			writeFile(t, kubeconfig, oneContext)
			check := func(what, out string, err error) {
				t.Helper()
				if err == nil {
					t.Errorf("%s: no error", what)
					return
				}
				for _, want := range append(tc.says, path) {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%s: %v; does not say %q", what, err, want)
					}
				}
				if strings.Contains(out, "whole") || strings.Contains(out, "cursors") {
					t.Errorf("%s: %s", what, out)
				}
			}
			for _, args := range ledgerCommands {
				out, err := command(t, append(append([]string{"ledger"}, args...), "--ledger="+path)...)
				check(args[0], out, err)
			}
			out, err := runBriefly(t, kubeconfig, path)
			check("run", out, err)
			if after := must(os.ReadFile(path))(t); !bytes.Equal(after, tc.file) {
				t.Error("the file has changed")
			}
			if n := len(must(os.ReadDir(filepath.Dir(path)))(t)); n != 1 {
				t.Errorf("%d files are left in its folder", n)
			}
		})
	}
}

// runBriefly is `fairlead run` where it should refuse its ledger.
func runBriefly(t *testing.T, kubeconfig, path string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience) // should it run
	defer cancel()
	return commandWith(ctx, "run", "--watch=pods", "--clusters=kubeconfig:"+kubeconfig, "--ledger="+path,
		"--metrics-bind-address=0", "--health-probe-bind-address=0", "--admin-bind-address=0")
}

// newerLedger returns the file of a program that does not exist yet.
func newerLedger(t *testing.T) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "newer")
	if err := must(bolt.Open(path))(t).Close(); err != nil {
		t.Fatal(err)
	}
	db := must(bbolt.Open(path, 0o600, nil))(t)
	if err := db.Update(func(tx *bbolt.Tx) error {
		b := binary.BigEndian.AppendUint32(nil, 2)
		b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		return tx.Bucket([]byte("fairlead")).Put([]byte("format"), b)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return must(os.ReadFile(path))(t)
}

func TestMissingLedger(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{filepath.Join(dir, "fairlead.ledger"), filepath.Join(dir, "folder", "fairlead.ledger")} {
		for _, args := range ledgerCommands {
			_, err := command(t, append(append([]string{"ledger"}, args...), "--ledger="+path)...)
			if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "name the file that fairlead run was given") {
				t.Errorf("%s: %v", args, err)
			}
		}
	}
	for _, path := range []string{"", "memory:", dir} {
		for _, args := range ledgerCommands {
			if _, err := command(t, append(append([]string{"ledger"}, args...), "--ledger="+path)...); err == nil || !strings.Contains(err.Error(), "name") {
				t.Errorf("%s of %q: %v", args, path, err)
			}
		}
	}
	if entries := must(os.ReadDir(dir))(t); len(entries) > 0 {
		t.Errorf("%v were made", entries)
	}
}

func TestLedgerInUse(t *testing.T) {
	path := writeLedger(t)
	before := must(os.ReadFile(path))(t)
	s := must(bolt.Open(path))(t)
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if !bytes.Equal(before, must(os.ReadFile(path))(t)) {
			t.Error("the file has changed")
		}
	}()
	t.Run("commands", func(t *testing.T) {
		t.Run("run", func(t *testing.T) {
			t.Parallel()
			kubeconfig := filepath.Join(t.TempDir(), "fleet.yaml")
			writeFile(t, kubeconfig, oneContext)
			_, err := runBriefly(t, kubeconfig, path)
			if !errors.Is(err, bolt.ErrLocked) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "end that one first") {
				t.Error(err)
			}
		})
		for _, args := range ledgerCommands {
			t.Run(strings.Join(args, " "), func(t *testing.T) {
				t.Parallel() // it waits for the other one to end
				_, err := command(t, append(append([]string{"ledger"}, args...), "--ledger="+path)...)
				if !errors.Is(err, bolt.ErrLocked) {
					t.Fatal(err)
				}
				for _, want := range []string{path, "if that is fairlead run, stop it first", "/clusters"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%v; does not say %q", err, want)
					}
				}
			})
		}
	})
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestForgottenButNotPrinted(t *testing.T) {
	path := writeLedger(t)
	cmd := NewCommand(Options{})
	cmd.SetArgs([]string{"ledger", "forget", "--ledger", path, "--cluster=alpha"})
	cmd.SetOut(full{})
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "cluster alpha: forgotten, but") {
		t.Errorf("%v does not say that it was done", err)
	}
	if out := must(command(t, "ledger", "inspect", "--ledger", path))(t); strings.Contains(out, "alpha") {
		t.Errorf("it was not:\n%s", out)
	}
}
