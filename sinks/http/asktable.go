package httpsink

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/sinks"
)

const (
	// queryHeader is a header that ClickHouse sends with every answer to a statement.
	queryHeader = "X-Clickhouse-Query-Id"
	// exceptionHeader holds the code of an exception.
	exceptionHeader = "X-Clickhouse-Exception-Code"
)

// tableFaults are the codes of exceptions that say of a statement that reads what they say of an
// INSERT: there is no table, no database, no such user or password.
var tableFaults = []string{"60", "81", "192", "193", "194", "516"}

// askTable returns what asks ClickHouse for the columns of the table, and then whether the user may
// insert. It inserts nothing: a table may be that of a queue, or lead to other ones. Another path
// than that of ClickHouse itself may have a statement of its own, so that nothing is asked there.
func askTable(table string) func(context.Context, *questions) error {
	return func(ctx context.Context, q *questions) error {
		if q.pass.url.Path != "/" {
			return q.options(ctx)
		}
		// By GET, which ClickHouse takes for statements that change nothing only.
		a, err := q.ask(ctx, http.MethodGet, q.stating("DESCRIBE TABLE "+table+" FORMAT TabSeparated"), "", "")
		if err != nil {
			return err
		}
		if err := q.stopped(http.MethodGet, a); err != nil {
			return err
		}
		code := exceptionOf(a.header, a.body)
		if a.status >= 400 && slices.Contains(tableFaults, code) {
			return q.refused(http.MethodGet, a)
		}
		if a.header.Get(queryHeader) == "" && a.header.Get(exceptionHeader) == "" {
			return nil // it may be no ClickHouse
		}
		if err := q.askGrant(ctx, table); err != nil {
			return sinks.Caution(err)
		}
		if a.status == http.StatusOK {
			return sinks.Caution(ofColumns(table, string(a.body)))
		}
		return nil
	}
}

// stating returns the URL with a statement in place of the INSERT.
func (q *questions) stating(statement string) *url.URL {
	u := *q.pass.url
	query := u.Query()
	for name := range q.s.wire.query {
		query.Del(name)
	}
	query.Set("query", statement)
	u.RawQuery = query.Encode()
	return &u
}

// askGrant returns an error if the user has no right to insert. Who has it for each column by
// itself has it all the same, and is told so. Older servers do not know the statement. It goes by
// POST, as a request by GET has no right to write, whoever sends it:
// https://github.com/ClickHouse/ClickHouse/blob/master/src/Access/ContextAccess.cpp
func (q *questions) askGrant(ctx context.Context, table string) error {
	a, err := q.ask(ctx, http.MethodPost, q.stating("CHECK GRANT INSERT ON "+table), "", "")
	if err != nil || a.status != http.StatusOK || strings.TrimSpace(string(a.body)) != "0" {
		return nil //nolint:nilerr // It is only good to know.
	}
	return fmt.Errorf("the user has no right to insert into the whole of table %s: GRANT INSERT ON %s TO it", table, table)
}

// ofColumns returns an error if a table has none of the columns of a row: those that it does not
// have are left out, so that a table of something else takes each row and keeps nothing.
func ofColumns(table, described string) error {
	if described == "" {
		return nil
	}
	for line := range strings.Lines(described) {
		name, _, isColumn := strings.Cut(line, "\t")
		if !isColumn || slices.Contains(rowNames, name) || name == "observed" || name == "object" {
			return nil
		}
	}
	return errors.New("table " + table + " has no column of those that a row has, so that nothing of a change is kept; create it as docs/sinks/http.md shows, or check table")
}
