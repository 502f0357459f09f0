package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// Writes are under way at once, as many as there are connections, and no more.
func TestConnections(t *testing.T) {
	d := start(t)
	o := postgres.Options{Tables: postgres.Both, Connections: 3}
	o.Schema = d.made(t, o)
	s := d.open(t, o)
	blocked := session(t, d.Postgres)
	defer blocked.Close(t.Context())
	if _, err := blocked.Exec(t.Context(), `BEGIN; LOCK TABLE `+o.Schema+`.fairlead_state`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	var writes sync.WaitGroup
	for i := range 8 {
		writes.Go(func() {
			for v := range uint64(5) {
				// The first write of a process meets others that raise the term as well.
				if err := s.Write(context.Background(), []*pipeline.Change{pod(fmt.Sprint("p", i), 1, v+1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	testserver.Poll(t, "three writes wait for the table", func() bool {
		return d.exec(t, `SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'RowExclusiveLock'`)[0] == "3"
	})
	if n := d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead'`)[0]; n != "3" {
		t.Errorf("%s connections", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Write(ctx, []*pipeline.Change{pod("late", 1, 1)}); err == nil || !strings.Contains(err.Error(), "wait for a connection") {
		t.Errorf("a fourth write: %v", err)
	}
	if _, err := blocked.Exec(t.Context(), `COMMIT`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	writes.Wait()
	if got := d.exec(t, `SELECT count(*), min(sequence) FROM `+o.Schema+`.fairlead_objects`); got[0] != "8|5" {
		t.Errorf("the table has %q", got)
	}
}

// A server that says a password, for whatever reason, is not repeated.
func TestErrorsShowNoPassword(t *testing.T) {
	d := start(t)
	o := postgres.Options{Schema: d.schema(t)}
	s := d.open(t, o)
	write(t, s, pod("a", 1, 1))
	d.exec(t, `CREATE FUNCTION `+o.Schema+`.tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION E'denied\nwith fairlead-secret % %', encode('fairlead-secret', 'base64'), repeat('x', 100000); END $$;
		CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON `+o.Schema+`.fairlead_state FOR EACH ROW EXECUTE FUNCTION `+o.Schema+`.tell()`)
	err := s.Write(t.Context(), []*pipeline.Change{pod("a", 1, 2)})
	says(t, err, "denied with [redacted] [redacted]")
	if err != nil && (len(err.Error()) > 1000 || strings.Contains(err.Error(), "\n")) {
		t.Errorf("the error is %d bytes: %.200s", len(err.Error()), err)
	}
}
