package app

import (
	"context"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fairlead-dev/fairlead/internal/loopback"
	"github.com/fairlead-dev/fairlead/internal/tcpline"
	"github.com/fairlead-dev/fairlead/internal/testdb"
	"github.com/fairlead-dev/fairlead/internal/testenv"
)

// database is a PostgreSQL server behind a line.
type database struct {
	t    *testing.T
	conn *pgconn.PgConn // of the test, beside the line
	line *tcpline.Line
	sink string
}

func startDatabase(t *testing.T) *database {
	server := testdb.StartPostgres(t)
	host, port, _ := net.SplitHostPort(server.Addr())
	d := &database{t: t, line: tcpline.New(server.Addr())}
	d.conn = must(pgconn.Connect(t.Context(), fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres password=%s sslmode=disable", host, port, server.Password)))(t)
	t.Cleanup(func() { _ = d.conn.Close(context.Background()) })
	reserved := must(loopback.Reserve())(t)
	t.Cleanup(func() { _ = reserved.Release() })
	listens := fmt.Sprint("127.0.0.1:", reserved.Number)
	if err := d.line.Open(listens); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.line.Cut)
	password := testdb.File(t, "password", []byte(server.Password))
	d.sink = "postgres://postgres@" + listens + "/postgres?sslmode=disable&tables=both&password-file=" + password
	return d
}

// ask returns the rows of a query, their columns parted by spaces.
func (d *database) ask(query string) (rows []string) {
	d.t.Helper()
	results, err := d.conn.Exec(context.Background(), query).ReadAll()
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	for _, r := range results {
		for _, row := range r.Rows {
			rows = append(rows, strings.Join(textsOf(row), " "))
		}
	}
	return rows
}

func textsOf(row [][]byte) (all []string) {
	for _, column := range row {
		all = append(all, string(column))
	}
	return all
}

// one returns the only value of a query.
func (d *database) one(query string) string {
	d.t.Helper()
	rows := d.ask(query)
	if len(rows) != 1 {
		d.t.Fatalf("%s: %d rows, want 1", query, len(rows))
	}
	return rows[0]
}

// holdAWrite holds the connections of the leader, the follower has none, with a write of it.
func (d *database) holdAWrite(leader *child) *tcpline.Hold {
	d.t.Helper()
	hold, looks := d.line.Hold(), 0
	leader.await("a write is on its way", func() bool {
		if looks++; looks%4 == 0 && hold.Waits() == 0 {
			hold.Release() // It held the answer to the write before, so that none follows.
			hold = d.line.Hold()
		}
		return hold.Waits() > 0
	})
	return hold
}

// writers are the server's ends of connections that have written changes, each with when
// its last statement began.
const writers = `SELECT pid || '/' || query_start FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'WITH fence%' AND state = 'idle'`

// TestALateWriteIsRefusedByPostgres stops a leader whose write is on its way to a real
// database. It arrives when another process leads and has written: the database executes
// it, and takes none of its changes.
func TestALateWriteIsRefusedByPostgres(t *testing.T) {
	c, d := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0], startDatabase(t)
	p := startPair(t, c, nil, append([]string{"--ledger=memory:", "--sink=" + d.sink}, quick...)...)
	p.leader.await("the leader has written", func() bool {
		return d.one(`SELECT count(*) FROM pg_tables WHERE tablename = 'fairlead_writer'`) == "1" && len(d.ask(`SELECT FROM fairlead_history LIMIT 1`)) == 1
	})
	old := d.one(`SELECT term FROM fairlead_writer`)

	hold := d.holdAWrite(p.leader)
	p.leader.signal(syscall.SIGSTOP)
	var before []string
	p.follower.await("the database has answered what it had got", func() bool {
		before = d.ask(writers)
		return len(before) == 1
	})
	ofOld := `SELECT count(*) FROM fairlead_history WHERE term = ` + old
	wrote := d.one(ofOld)
	p.follower.awaitRole("leader")
	p.follower.awaitLive()
	p.follower.await("the next leader has written", func() bool {
		return len(d.ask(`SELECT FROM fairlead_state WHERE term > `+old+` LIMIT 30`)) == 30
	})
	p.stop()

	const marks = `SELECT cluster, resource, namespace, name, term FROM fairlead_state WHERE term = `
	state := d.ask(marks + old)
	if n := hold.Release(); n == 0 {
		t.Fatal("the late write has got lost: its connection has ended")
	}
	pid, _, _ := strings.Cut(before[0], "/")
	p.follower.await("the late write has arrived, and is over", func() bool {
		for _, now := range d.ask(writers) {
			if strings.HasPrefix(now, pid+"/") && now != before[0] {
				return true
			}
		}
		return false
	})
	if now := d.one(ofOld); now != wrote {
		t.Errorf("%s changes of term %s are in the history after the late write, and were %s before", now, old, wrote)
	}
	for _, row := range d.ask(marks + old) {
		if !strings.Contains("\n"+strings.Join(state, "\n")+"\n", "\n"+row+"\n") {
			t.Errorf("the late write has brought back %s", row)
		}
	}
	p.leader.signal(syscall.SIGCONT)
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d of a leader that lost its term", code)
	}
	if now := d.one(ofOld); now != wrote {
		t.Errorf("%s changes of term %s are in the history after its leader has ended, and were %s before", now, old, wrote)
	}
}
