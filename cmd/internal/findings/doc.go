// Package findings says what is not as it should be, of what a program tells of itself and
// of what its members and sinks have answered.
//
//	api.Status ──────┐
//	one a while ago ─┼─▶ Of ──▶ []api.Finding ──▶ Print, JUnit
//	Probes ──────────┘    ▲
//	                    Codes ──▶ docs/findings.md
//
// [Of] asks nobody: what it is given decides. So each finding can be tested without
// servers, and fairlead check says the same before a program starts and while it runs.
// [Codes] is the one table of what can be found. A code keeps its meaning; new ones get
// new numbers.
//
// A finding names the cause and not what follows from it: of a cluster that cannot be
// reached nothing is said of its streams, and of a sink that is down nothing of the lanes
// that fill because of it. In a healthy fleet there are none.
//
// Texts of members and sinks are part of findings. They are bounded here, and made
// printable by Print and JUnit. Everything may be called concurrently.
package findings
