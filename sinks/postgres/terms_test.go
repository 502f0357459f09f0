package postgres_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/internal/testserver"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// A process whose term is over writes nothing, whatever it knows.
func TestTerms(t *testing.T) {
	d := start(t)
	o := postgres.Options{Tables: postgres.Both}
	o.Schema = d.made(t, o)
	first, second := d.open(t, o), d.open(t, o)
	has := func(want string) {
		t.Helper()
		got := d.exec(t, `SELECT s.term, s.sequence, (SELECT count(*) FROM `+o.Schema+`.fairlead_history), w.term FROM `+o.Schema+`.fairlead_state s, `+o.Schema+`.fairlead_writer w`)
		if len(got) != 1 || got[0] != want {
			t.Errorf("the tables have %q, want %q", got, want)
		}
	}
	write(t, first, pod("a", 1, 7))
	has("1|7|1|1")
	write(t, second, pod("a", 2, 3))
	has("2|3|2|2")
	err := first.Write(t.Context(), []*pipeline.Change{pod("a", 1, 9), pod("b", 1, 9)})
	if !errors.Is(err, pipeline.ErrOldTerm) || pipeline.IsPermanent(err) {
		t.Errorf("a late write: %v", err)
	}
	says(t, err, `has term 2, and this process has 1`, `writer "fairlead"`)
	has("2|3|2|2")
	// Changes that the process has taken over from the term before stand beside its own.
	write(t, second, pod("a", 1, 9), pod("a", 2, 4))
	has("2|4|4|2")
	write(t, second, pod("a", 2, 5), pod("a", 1, 10))
	has("2|5|6|2")

	// Another writer has terms of its own.
	o.Writer = "another"
	other := d.open(t, o)
	c := pod("c", 1, 1)
	c.Key.Cluster, c.Origin = "far", origin("far", 1)
	write(t, other, c)

	// Somebody has removed the row of the writer, or it is older than the process knows.
	d.exec(t, `DELETE FROM `+o.Schema+`.fairlead_writer WHERE name = 'fairlead'`)
	write(t, second, pod("a", 2, 6))
	d.exec(t, `UPDATE `+o.Schema+`.fairlead_writer SET term = 1 WHERE name = 'fairlead'`)
	write(t, second, pod("a", 2, 7))
	if got := d.exec(t, `SELECT name, term FROM `+o.Schema+`.fairlead_writer ORDER BY name`); strings.Join(got, " ") != "another|1 fairlead|2" {
		t.Errorf("writers: %q", got)
	}
}

// A write that is under way in one transaction and a term that is raised in another wait
// for each other, and in the end nothing of the old term is written behind the new one.
func TestTermsAtTheSameTime(t *testing.T) {
	d := start(t)
	o := postgres.Options{}
	o.Schema = d.made(t, o)
	first, second := d.open(t, o), d.open(t, o)
	write(t, first, pod("a", 1, 1))
	waits := func(name string) {
		t.Helper()
		testserver.Poll(t, name+" waits", func() bool {
			return d.exec(t, `SELECT count(*) FROM pg_stat_activity WHERE usename = 'fairlead' AND wait_event_type = 'Lock'`)[0] == "1"
		})
	}
	wrote := make(chan error, 1)
	go func() { wrote <- second.Write(context.Background(), []*pipeline.Change{pod("b", 2, 1)}) }()
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
	// The late write finds the row of the writer locked by one that raises it, and sees
	// the new term once that is committed.
	raises := session(t, d.Postgres)
	defer raises.Close(t.Context())
	if _, err := raises.Exec(t.Context(), `BEGIN; UPDATE `+o.Schema+`.fairlead_writer SET term = 3`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	go func() { wrote <- second.Write(context.Background(), []*pipeline.Change{pod("b", 2, 2)}) }()
	waits("the late write")
	if _, err := raises.Exec(t.Context(), `COMMIT`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; !errors.Is(err, pipeline.ErrOldTerm) {
		t.Errorf("a write whose term ended while it waited: %v", err)
	}
	// A term is not raised while a batch of the one before is being written.
	holds := session(t, d.Postgres)
	defer holds.Close(t.Context())
	if _, err := holds.Exec(t.Context(), `BEGIN; SELECT FROM `+o.Schema+`.fairlead_writer WHERE term = 3 FOR SHARE`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	go func() { wrote <- first.Write(context.Background(), []*pipeline.Change{pod("c", 4, 1)}) }()
	waits("the next leader")
	if _, err := holds.Exec(t.Context(), `COMMIT`).ReadAll(); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
	if got := d.exec(t, `SELECT name, term, sequence FROM `+o.Schema+`.fairlead_state ORDER BY name`); strings.Join(got, " ") != "a|1|1 b|2|1 c|4|1" {
		t.Errorf("the table has %q", got)
	}
}
