package httpsink

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

// tableSyntax is TABLE or DATABASE.TABLE of ClickHouse, without quotes.
var tableSyntax = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$`)

var errTable = errors.New("the format clickhouse needs a table, TABLE or DATABASE.TABLE, of letters, digits and underscores")

// clickHouse inserts a row for each change. Columns that the table does not have are
// left out.
func clickHouse(table string) (*wire, error) {
	if !tableSyntax.MatchString(table) {
		return nil, errTable
	}
	return &wire{
		path: "/", contentType: "application/x-ndjson",
		query: url.Values{
			"query":                            {"INSERT INTO " + table + " FORMAT JSONEachRow"},
			"input_format_skip_unknown_fields": {"1"},
			"date_time_input_format":           {"best_effort"},
			"async_insert":                     {"0"}, // what was answered is in the table
		},
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			r := row(append(dst, '{')).members(c).time("observed", c.Observed)
			if c.Object != nil {
				r = jsontext.AppendString(r.name("object"), string(c.Object))
			}
			return append(r, "}\n"...), nil
		},
		// An INSERT without rows asks for the table and the right to it, and makes no part.
		probe: &probe{more: askColumns(table)},
		setup: ofClickHouse,
	}, nil
}

// exceptionSyntax is what the text of an exception begins with.
var exceptionSyntax = regexp.MustCompile(`^Code: (\d{1,5})[.,]`)

// ofClickHouse reads the code of an exception, which older servers have in its text only:
// https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
func ofClickHouse(_ int, header http.Header, answer []byte) string {
	code := header.Get("X-ClickHouse-Exception-Code")
	if said := exceptionSyntax.FindSubmatch(answer); code == "" && said != nil {
		code = string(said[1])
	}
	switch code {
	case "60":
		return "create the table, as docs/sinks/http.md shows, or check table"
	case "81":
		return "create the database, or check table"
	case "164":
		return "the user may only read (readonly); give another one"
	case "192", "193", "194", "516":
		return "check user and password-file"
	case "242":
		return "the table is read-only: its replica has lost its Keeper; see system.replicas"
	case "497":
		return "the user may not insert: GRANT INSERT ON the table TO it"
	}
	return ""
}

// askColumns returns what asks whether the table has any column of a row: those that it does
// not have are left out, so that a table of something else takes each row and keeps nothing.
func askColumns(table string) func(context.Context, *questions) error {
	return func(ctx context.Context, q *questions) error {
		u := *q.pass.url
		query := u.Query()
		for name := range q.s.wire.query {
			query.Del(name)
		}
		query.Set("query", "DESCRIBE TABLE "+table+" FORMAT TabSeparated")
		u.RawQuery = query.Encode()
		a := q.look(ctx, http.MethodGet, &u, "")
		if a == nil || a.status != http.StatusOK || len(a.body) == 0 {
			return nil
		}
		for line := range strings.Lines(string(a.body)) {
			name, _, isColumn := strings.Cut(line, "\t")
			if !isColumn || slices.Contains(rowNames, name) || name == "observed" || name == "object" {
				return nil
			}
		}
		return sinks.Caution(errors.New("table " + table + " has no column of those that a row has, so that nothing of a change is kept; create it as docs/sinks/http.md shows, or check table"))
	}
}
