package bolt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead-dev/fairlead/internal/ledger/ledgertest"
	"github.com/fairlead-dev/fairlead/internal/testenv/volume"
)

// firstMissing returns the number of the first transaction that a store does
// not hold.
func firstMissing(s *Store) (int, error) {
	content, err := ledgertest.Read(context.Background(), s)
	if err != nil {
		return 0, err
	}
	first := 0
	for _, c := range content {
		i, err := strconv.Atoi(c.Head)
		if err != nil {
			return 0, err
		}
		first = max(first, i+1)
	}
	return first, nil
}

// Whatever the instant at which a writer is killed, the file opens and holds a
// prefix of whole transactions, and of them all that it was told are durable.
func TestKilledWriter(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	rounds := 60
	if testing.Short() {
		rounds = 15
	}
	r := rand.New(rand.NewPCG(3, 3))
	applied, want := 0, ledgertest.Content{}
	for round := range rounds {
		c := startChild(t, "write", path)
		told := -1
		if round%10 != 0 { // else it is killed while it starts
			told, _ = strconv.Atoi(c.line(t))
		}
		// The instant is random, and no assertion depends on it.
		timer := time.AfterFunc(time.Duration(r.IntN(40_000))*time.Microsecond, func() { _ = c.cmd.Process.Kill() })
		for c.out.Scan() {
			told, _ = strconv.Atoi(c.out.Text())
		}
		timer.Stop()
		c.kill()

		s, err := Open(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		got, err := ledgertest.Read(t.Context(), s)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		n, err := firstMissing(s)
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, s)
		if n <= told || n > max(told, applied)+2 {
			t.Fatalf("round %d: it holds %d transactions, %d were done", round, n, told+1)
		}
		for ; applied < n; applied++ {
			want.Apply(transaction(applied)...)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d: after transaction %d (-want +got):\n%s", round, n-1, diff)
		}
	}
	t.Logf("%d transactions in %d rounds", applied, rounds)
}

// A file that cannot grow fails a transaction and nothing else.
func TestFullDisk(t *testing.T) {
	t.Run("limit", func(t *testing.T) {
		c := startChild(t, "full", filepath.Join(t.TempDir(), "fairlead.ledger"))
		runFull(t, c, "file too large", []uint64{1 << 18, 1 << 18, 1 << 19}, 1<<25)
	})
	t.Run("volume", func(t *testing.T) {
		if runtime.GOOS != "linux" {
			t.Skip("it takes a mount in a name space of its own")
		}
		c, err := tryChild(t, "volume", t.TempDir(), volume.OwnMounts())
		if err != nil {
			t.Skip("not allowed to mount a small volume: ", err)
		}
		runFull(t, c, "no space left on device", []uint64{1 << 18, 1 << 18, 1 << 20, 3 << 19}, volumeSize)
	})
}

func runFull(t *testing.T, c *childProcess, want string, limits []uint64, ample uint64) {
	before := 0
	for _, limit := range append(limits, ample) {
		c.say(t, strconv.FormatUint(limit, 10))
		applied, why, _ := strings.Cut(c.line(t), " ")
		n, err := strconv.Atoi(applied)
		if err != nil {
			t.Fatal(err)
		}
		full := limit < ample
		if n < before || full != strings.Contains(why, want) || full != strings.Contains(why, "make room") {
			t.Fatalf("with %d bytes: %d transactions after %d, then %s", limit, n, before, why)
		}
		t.Logf("with %d bytes: %d transactions, then %s", limit, n, why)
		before = n
	}
	if err := c.in.Close(); err != nil {
		t.Fatal(err)
	}
	if got, want := c.line(t), fmt.Sprintf("at the end %d %d <nil>", before, before); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
