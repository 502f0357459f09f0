package httpsink

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
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
		check: askTable(table),
		setup: ofClickHouse,
	}, nil
}

// exceptionSyntax is what the text of an exception begins with.
var exceptionSyntax = regexp.MustCompile(`^Code: (\d{1,5})[.,]`)

// exceptionOf returns the code of an exception, which older servers have in its text only:
// https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
// Empty: it is none.
func exceptionOf(header http.Header, answer []byte) string {
	code := header.Get(exceptionHeader)
	if said := exceptionSyntax.FindSubmatch(answer); code == "" && said != nil {
		code = string(said[1])
	}
	return code
}

// ofClickHouse tells what to do about an exception.
func ofClickHouse(_ int, header http.Header, answer []byte) string {
	switch exceptionOf(header, answer) {
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
