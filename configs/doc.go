// Package configs reads the configuration: strict, typed, and with one clear line
// for each mistake. It is the only place that knows of viper. The reference file
// that documents every key is embedded.
package configs
