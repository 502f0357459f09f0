package postgres

import (
	"context"
	"errors"
	"slices"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns postgres://USER@HOST/DATABASE, a row of a table in PostgreSQL.
func Kind() locks.Kind {
	return locks.Kind{
		Form: locks.Form{
			Scheme: "postgres", Usage: "postgres://USER@HOST[:PORT][,HOST...]/DATABASE",
			Summary: "a row of a table in PostgreSQL, also through pgbouncer; of several hosts the one that takes writes",
			Rest:    locks.URL, User: true, Credentials: "password-file",
			Params: slices.Concat([]locks.Param{
				{Name: "name", Type: locks.Name, Default: "fairlead", Meaning: "name of the record: processes with the same one elect a leader"},
				{Name: "table", Default: DefaultTable, Meaning: "table that holds the records, TABLE or SCHEMA.TABLE; beside it is the sequence TABLE_versions"},
				{Name: "create", Type: locks.Bool, Default: "true", Meaning: "make the table and the sequence if they are not there"},
			}, pgserver.Params()),
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	server, err := pgserver.Of(v)
	o := Options{
		Hosts: server.Hosts, User: server.User, Database: server.Database, TLS: server.TLS, Password: server.Password,
		Table: v.Str("table"), NoCreate: !v.Bool("create"), Name: v.Str("name"),
	}
	schema, table, tableErr := cutTable(o.Table)
	if err := errors.Join(err, tableErr); err != nil {
		return locks.Spec{}, err
	}
	return locks.Spec{
		Identity: identity(o, schema, table),
		Open: func(ctx context.Context, env locks.Env) (resourcelock.Interface, error) {
			if o.Password != nil {
				if _, err := o.Password(ctx); err != nil {
					return nil, err
				}
			}
			o := o
			o.Identity, o.Timeout, o.Application = env.Identity, env.Timeout, env.UserAgent
			l, err := New(o)
			if err != nil {
				return nil, err // not a nil *locks.Lock
			}
			return l, nil
		},
	}, nil
}
