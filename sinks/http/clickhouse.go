package httpsink

import (
	"errors"
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
	}, nil
}
