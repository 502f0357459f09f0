// Command consumer keeps a table right from the file that Fairlead writes: an
// example to copy from, of the standard library only.
//
//	fairlead run --sink file:changes.jsonl ──▶ changes.jsonl ──▶ follow ──▶ Parse ──▶ Table
//
//	consumer [-once] [-print] FILE
//
// It reads the file from its beginning, follows it as it grows, is replaced
// (rotation) or is cut back (a line that a crash had torn), and prints what
// becomes of each object. With -once it ends at the end of the file. With -print
// it prints the table at the end, as JSON.
//
// What it does with events is what docs/events.md says, in table.go. The table is
// in memory; a database would get one upsert or one delete for each event, keyed
// as here.
package main
