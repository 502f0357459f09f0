package mysql

import (
	"fmt"

	"github.com/fairlead-dev/fairlead/locks"
)

// statements are those for one table.
type statements struct {
	read       string   // name
	draw       string   // name, version, version
	insert     string   // name, version, record
	update     string   // version, record, name, version that was seen
	make       []string // one after the other
	privileges string   // what to do, for errors
}

func newStatements(table string) statements {
	quoted, versions := "`"+table+"`", "`"+table+"_versions`"
	s := statements{
		// One row in any case, so that the server says whether it takes writes. Nobody
		// asks for more of the record than fits.
		read: fmt.Sprintf("SELECT @@global.read_only, l.version, CASE WHEN LENGTH(l.record) <= %d THEN l.record END "+
			"FROM (SELECT 1) AS one LEFT JOIN %s AS l ON l.name = ?", locks.MaxValue, quoted),

		// The version is above all that were drawn for the name, and above the one that
		// was seen, should somebody have emptied the table. The row stays locked until the
		// transaction ends, so that of one record's writes there is one at a time.
		draw: "INSERT INTO " + versions + " (name, version) VALUES (?, LAST_INSERT_ID(? + 1)) " +
			"ON DUPLICATE KEY UPDATE version = LAST_INSERT_ID(GREATEST(version, ?) + 1)",

		insert: "INSERT INTO " + quoted + " (name, version, record) VALUES (?, ?, ?)",
		update: "UPDATE " + quoted + " SET version = ?, record = ? WHERE name = ? AND version = ?",
		make: []string{
			"CREATE TABLE IF NOT EXISTS " + quoted + " (name VARBINARY(255) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL, record BLOB NOT NULL) ENGINE=InnoDB",
			"CREATE TABLE IF NOT EXISTS " + versions + " (name VARBINARY(255) PRIMARY KEY, version BIGINT UNSIGNED NOT NULL) ENGINE=InnoDB",
		},
	}
	s.privileges = "grant the user SELECT, INSERT and UPDATE on " + quoted + " and " + versions
	return s
}

const (
	// engines asks which of the tables can lose what was committed. Arguments: both
	// names.
	engines = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name IN (?, ?) AND engine <> 'InnoDB'"
	// variables are those that the lock depends on, as far as the server has them.
	variables = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'innodb_read_only', 'innodb_flush_log_at_trx_commit', 'wsrep_on', 'wsrep_sync_wait', 'group_replication_consistency')"
)
