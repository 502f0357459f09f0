package main

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-dev/fairlead/cmd/internal/lab"
	"github.com/fairlead-dev/fairlead/internal/replay"
)

// database is a PostgreSQL server in which Fairlead keeps a table.
type database struct {
	rig    *lab.Rig
	tables *lab.Tables
}

func startDatabase(ctx context.Context, dir string) (*database, error) {
	d := &database{rig: lab.NewRig(dir)}
	if err := d.rig.Do(ctx, func(t testing.TB) { d.tables = lab.StartTables(t) }); err != nil {
		_ = d.rig.Close() // What has failed says more.
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return d, nil
}

// flag is the value of --sink.
func (d *database) flag() string { return d.tables.Sink(d.tables.Addr(), "name=database") }

// difference compares the table with what the API servers hold.
func (d *database) difference(ctx context.Context, held map[replay.Object]string) (replay.Difference, error) {
	rows, err := d.tables.Held(ctx)
	if err != nil {
		return replay.Difference{}, err
	}
	return replay.Compare(rows, held), nil
}

// excerpt is what people would ask the table.
const excerpt = `SELECT cluster, count(*), count(*) FILTER (WHERE written > now() - interval '1 minute'), max(written)::time(0) FROM fairlead_objects GROUP BY cluster ORDER BY cluster`

// table draws the excerpt.
func (d *database) table(ctx context.Context) (string, error) {
	rows, err := d.tables.Query(ctx, excerpt)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  %-10s  %7s  %17s  %s\n", "cluster", "objects", "in the last minute", "last write")
	for _, r := range rows {
		fmt.Fprintf(&b, "  %-10s  %7s  %17s  %s\n", r[0], r[1], r[2], r[3])
	}
	return b.String(), nil
}

// psql is how to look at the table.
func (d *database) psql() string {
	host, port, _ := strings.Cut(d.tables.Addr(), ":")
	return fmt.Sprintf("PGPASSWORD=%s psql -h %s -p %s -U postgres -c 'SELECT cluster, name, resource_version FROM fairlead_objects LIMIT 5'", d.tables.Password, host, port)
}
