package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"

	"github.com/fairlead-dev/fairlead/internal/credentials"
	"github.com/fairlead-dev/fairlead/internal/pgserver"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// Kind returns the kind of sink that is chosen by postgres://USER@HOST/DATABASE. Its
// identity has hosts, database and schema. So name= should be given: with other hosts,
// or the same in another order, it is another sink, which gets every object again and
// does not know what was deleted meanwhile.
func Kind() sinks.Kind {
	return sinks.Kind{
		Form: sinks.Form{
			Scheme: "postgres", Usage: "postgres://USER@HOST[:PORT][,HOST...]/DATABASE",
			Summary: "rows in PostgreSQL: what exists now, what happened, or both; of several hosts the one that takes writes",
			Rest:    sinks.URL, User: true, Credentials: "password-file",
			Params: slices.Concat([]sinks.Param{
				{Name: "tables", Type: sinks.Choice, Choices: []string{string(State), string(History), string(Both)}, Default: string(State), Meaning: "`state`: a row for each object; `history`: a row for each change"},
				{Name: "schema", Default: DefaultSchema, Meaning: "schema that holds the tables, of letters in lower case, digits and underscores"},
				{Name: "type", Type: sinks.Choice, Choices: []string{"jsonb", "json"}, Default: "jsonb", Meaning: "type of the objects: `json` keeps the bytes as they are"},
				{Name: "migrate", Type: sinks.Choice, Choices: []string{"auto", "check"}, Default: "auto", Meaning: "make the tables, or only say what is missing"},
				{Name: "writer", Type: sinks.Name, Default: DefaultWriter, Meaning: "name of those of which one delivers after the other; programs that deliver at the same time into the same tables need one each, and other clusters"},
				{Name: "deleted-for", Type: sinks.Duration, Default: DefaultDeletedFor.String(), Meaning: "for how long the row of a deleted object is kept; 0s is for ever"},
				{Name: "history-for", Type: sinks.Duration, Default: "0s", Meaning: "for how long a row of the history is kept; 0s is for ever"},
				{Name: "notify", Meaning: "channel for one NOTIFY per batch"},
				{Name: "batch", Type: sinks.Integer, Default: "1000", Unit: "changes", Min: 1, Max: 10000, Meaning: "largest batch"},
				{Name: "connections", Type: sinks.Integer, Default: "1", Unit: "connections", Min: 1, Max: 64, Meaning: "writes that may be under way at once"},
				{Name: "timeout", Type: sinks.Duration, Default: DefaultTimeout.String(), Min: int64(1e9), Max: int64(3600e9), Meaning: "how long a write may take"},
			}, pgserver.Params()),
		},
		Parse: parse,
	}
}

func parse(v *spec.Value) (*sinks.Spec, error) {
	server, err := pgserver.Of(v)
	o := Options{
		Hosts: server.Hosts, User: server.User, Database: server.Database, TLS: server.TLS, Password: server.Password,
		Tables: Tables(v.Str("tables")), Schema: v.Str("schema"), Exact: v.Str("type") == "json", NoMigrate: v.Str("migrate") == "check",
		Writer: v.Str("writer"), DeletedFor: v.Duration("deleted-for"), HistoryFor: v.Duration("history-for"), Notify: v.Str("notify"),
		Connections: int(v.Int("connections")), Timeout: v.Duration("timeout"),
	}
	if o.DeletedFor == 0 {
		o.DeletedFor = -1
	}
	if o.TLS != nil {
		files, _ := credentials.TLSOf(v) // pgserver.Of tells of mistakes
		o.TLS = func(host string) (*tls.Config, error) { return files.For(host).Late() }
	}
	o = o.withDefaults()
	if err := errors.Join(err, o.check()); err != nil {
		return nil, err
	}
	batch := int(v.Int("batch"))
	return &sinks.Spec{
		Identity: identity(&o), MinBatch: min(minBatch, batch), MaxBatch: batch, Concurrency: o.Connections,
		Open: func(_ context.Context, env sinks.Env) (pipeline.Sink, error) {
			o := o
			o.Application, o.Log, o.Registerer = env.UserAgent, env.Log, env.Registerer
			s, err := Open(o)
			if err != nil {
				return nil, err // not a nil *Sink
			}
			return s, nil
		},
	}, nil
}

// minBatch is the batch with which nine tenths of the best rate are reached, measured on
// the loopback.
const minBatch = 64
