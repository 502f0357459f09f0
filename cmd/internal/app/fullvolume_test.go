package app

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv/volume"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// TestFullDisksAreNoDeadLetters is [TestFaultsOfADestinationAreNoDeadLetters] for destinations
// whose volume has no byte left: real servers on a real small volume.
func TestFullDisksAreNoDeadLetters(t *testing.T) {
	volume.Inside(t, 48<<20, func(t *testing.T, dir string) {
		for name, test := range map[string]func(t *testing.T, dir string, room func(bool)){
			"file": fullFile, "postgres": fullPostgres, "nats, stream": fullNATS("stream"), "nats, bucket": fullNATS("kv"),
		} {
			t.Run(name, func(t *testing.T) {
				own := filepath.Join(dir, "of-"+strings.ReplaceAll(name, ", ", "-"))
				if err := os.Mkdir(own, 0o700); err != nil {
					t.Fatal(err)
				}
				ballast := filepath.Join(dir, "ballast")
				t.Cleanup(func() { _ = os.Remove(ballast) })
				test(t, own, func(is bool) {
					if err := fillVolume(ballast, !is); err != nil {
						t.Error(err)
					}
				})
			})
		}
	})
}

func fullFile(t *testing.T, dir string, room func(bool)) {
	path := filepath.Join(dir, "changes.jsonl")
	noDeadLettersOf(t, largePods(10), "file:"+path, "no space left on device", func() { room(false) }, func() { room(true) })
	state := replay.New()
	file := must(os.Open(path))(t)
	defer file.Close()
	if err := state.Read(file); err != nil || len(state.Objects()) != 10 {
		t.Errorf("the file has %d objects, %v", len(state.Objects()), err)
	}
}

// fullPostgres has the tables on the volume. What else the server has, such as its log of
// transactions, is elsewhere: without room for that it would end.
func fullPostgres(t *testing.T, dir string, room func(bool)) {
	p := testdb.StartPostgres(t)
	testdb.Give(t, dir)
	runSQL(t, p, `CREATE TABLESPACE small LOCATION '`+dir+`'`)
	runSQL(t, p, `ALTER ROLE postgres SET default_tablespace = small`)
	sink := "postgres://postgres@" + p.Addr() + "/postgres?sslmode=disable&password-file=" + testdb.File(t, "password", []byte(p.Password))
	noDeadLettersOf(t, largePods(10), sink, "make room on the server's disk", func() { room(false) }, func() { room(true) })
	runSQL(t, p, `DO $$ BEGIN ASSERT (SELECT count(*) FROM fairlead_objects) = 10; END $$`)
}

// fullNATS has what JetStream stores on the volume. A server whose volume is full answers no
// write, and takes none before it is started again.
func fullNATS(mode string) func(t *testing.T, dir string, room func(bool)) {
	return func(t *testing.T, dir string, room func(bool)) {
		n := startNATSIn(t, dir, "")
		n.make()
		sink := strings.Replace(n.sink(mode), "timeout=10s", "timeout=1s", 1)
		noDeadLettersOf(t, largePods(10), sink, "whether its disk is full", func() { room(false) }, func() {
			room(true)
			n.stop()
			n.run()
		})
		n.holds(mode, 10)
	}
}

// largePods are samplePods that need room: what is random cannot be compressed.
func largePods(n int) []*pipeline.Change {
	all := samplePods(n)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // Any numbers do.
	for i, c := range all {
		var b strings.Builder
		for range 4096 {
			fmt.Fprintf(&b, "%016x", random.Uint64())
		}
		c.Sequence = uint64(i + 1)
		c.Object = fmt.Appendf(nil, `{"kind":"Pod","metadata":{"namespace":"ns","name":%q,"uid":%q,"resourceVersion":"1","annotations":{"large":%q}}}`, c.Key.Name, c.UID, b.String())
	}
	return all
}
