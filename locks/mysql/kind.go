package mysql

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/locks"
)

// Kind returns mysql://USER@HOST/DATABASE, a row of a table in MySQL or MariaDB.
func Kind() locks.Kind {
	return locks.Kind{
		Form: locks.Form{
			Scheme: "mysql", Usage: "mysql://USER@HOST[:PORT]/DATABASE",
			Summary: "a row of a table in MySQL or MariaDB, at the address that leads to the primary",
			Rest:    locks.URL, User: true, Credentials: "password-file",
			Params: slices.Concat([]locks.Param{
				{Name: "name", Type: locks.Name, Default: "fairlead", Meaning: "name of the record: processes with the same one elect a leader"},
				{Name: "table", Default: DefaultTable, Meaning: "table that holds the records; beside it is the table TABLE_versions"},
				{Name: "create", Type: locks.Bool, Default: "true", Meaning: "make the tables if they are not there"},
				{Name: "password-file", Type: locks.File, Meaning: "file that holds the user's password, read for each connection"},
				{Name: "tls", Type: locks.Bool, Default: "true", Meaning: "whether connections are encrypted and the server is verified, or neither"},
			}, credentials.Params()),
		},
		Parse: parse,
	}
}

func parse(v *locks.Value) (locks.Spec, error) {
	o := Options{
		User: v.User, Database: strings.TrimPrefix(v.Path, "/"),
		Table: v.Str("table"), NoCreate: !v.Bool("create"), Name: v.Str("name"),
	}
	files, err := credentials.TLSOf(v)
	errs := []error{err, checkTable(o.Table)}
	if len(v.Hosts) == 1 {
		o.Host = v.Hosts[0]
	} else {
		errs = append(errs, errors.New("there are several hosts; give one, the address that leads to the primary"))
	}
	if !v.Bool("tls") && !files.IsZero() {
		errs = append(errs, errors.New("ca, cert, key and server-name are of no use with tls=false; leave out one or the other"))
	}
	if o.User == "" {
		errs = append(errs, errors.New("no user stands before the host; write mysql://USER@HOST/DATABASE"))
	}
	if o.Database == "" || strings.ContainsRune(o.Database, '/') {
		errs = append(errs, errors.New("one database must follow the host; write mysql://USER@HOST/DATABASE"))
	}
	if err := errors.Join(errs...); err != nil {
		return locks.Spec{}, err
	}
	if path := v.Str("password-file"); path != "" {
		o.Password = func(context.Context) (string, error) { return credentials.Read(path) }
	}
	return locks.Spec{
		Identity: identity(o, o.Table),
		Open: func(ctx context.Context, env locks.Env) (resourcelock.Interface, error) {
			o := o
			o.Identity, o.Timeout, o.Application = env.Identity, env.Timeout, env.UserAgent
			if v.Bool("tls") {
				addr, err := withPort(o.Host)
				if err != nil {
					return nil, err
				}
				host, _, _ := net.SplitHostPort(addr) // which JoinHostPort has made
				if o.TLS, err = files.For(host).Config(); err != nil {
					return nil, err
				}
			}
			if o.Password != nil {
				if _, err := o.Password(ctx); err != nil {
					return nil, err
				}
			}
			l, err := New(o)
			if err != nil {
				return nil, err // not a nil *locks.Lock
			}
			return l, nil
		},
	}, nil
}
