// Package notices collects the licences of what a program of this repository is made
// of, as those who get the program without its sources have to be told them.
//
//	go list -deps ──▶ packages linked in ──▶ their modules' LICENSE, NOTICE, … ──▶ one text
//
// For each package it takes the licence files of its folder and of those above, up to
// the module's root: a module may hold other people's code in a folder of its own. Equal
// texts are told once. Go itself and its library count as a module.
//
// It guarantees that no module is left out: one without a licence, or with one of a
// kind that nobody has looked at, is an error that names it. What it writes depends on
// the modules' versions alone. It does not judge whether licences fit together, beyond
// that kinds which ask for the sources are none of those it knows.
//
// internal/notices/cmd does so for the image and for `make notices`.
package notices
