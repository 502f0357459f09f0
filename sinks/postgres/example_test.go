package postgres_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead-dev/fairlead/sinks/postgres"
)

// A sink for a program of one's own. It connects with the first Write.
func ExampleOpen() {
	sink, err := postgres.Open(postgres.Options{
		Hosts: []string{"db-1.example", "db-2.example"}, Database: "fleet", User: "fairlead",
		Password: func(context.Context) (string, error) {
			text, err := os.ReadFile("/run/secrets/fairlead/password")
			return strings.TrimSpace(string(text)), err
		},
		TLS:    func(host string) (*tls.Config, error) { return &tls.Config{ServerName: host}, nil },
		Tables: postgres.Both,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(sink.Close())
	// Output: <nil>
}

// What to run in the database, for those who make tables themselves.
func ExampleMigration() {
	sql := postgres.Migration("fleet", false, 0)
	first, _, _ := strings.Cut(sql, "(")
	fmt.Println(first)
	// Output: CREATE TABLE IF NOT EXISTS "fleet".fairlead_schema
}
