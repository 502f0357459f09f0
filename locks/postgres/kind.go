package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/credentials"
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
				{Name: "password-file", Type: locks.File, Meaning: "file that holds the user's password, read for each connection"},
				{Name: "sslmode", Type: locks.Choice, Choices: []string{"verify-full", "disable"}, Default: "verify-full", Meaning: "whether connections are encrypted and the server is verified, or neither"},
			}, credentials.Params()),
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	o := Options{
		Hosts: v.Hosts, User: v.User, Database: strings.TrimPrefix(v.Path, "/"),
		Table: v.Str("table"), NoCreate: !v.Bool("create"), Name: v.Str("name"),
	}
	files, err := credentials.TLSOf(v)
	errs := []error{err}
	if v.Str("sslmode") == "disable" && !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with sslmode=disable; leave out one or the other"))
	}
	if o.User == "" {
		errs = append(errs, errors.New("no user stands before the host; write postgres://USER@HOST/DATABASE"))
	}
	if o.Database == "" || strings.ContainsRune(o.Database, '/') {
		errs = append(errs, errors.New("one database must follow the host; write postgres://USER@HOST/DATABASE"))
	}
	schema, table, err := cutTable(o.Table)
	if err := errors.Join(append(errs, err)...); err != nil {
		return locks.Spec{}, err
	}
	if v.Str("sslmode") != "disable" {
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Config() }
	}
	if path := v.Str("password-file"); path != "" {
		o.Password = func(context.Context) (string, error) { return credentials.Read(path) }
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
