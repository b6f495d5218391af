import CryptoSuite
import TestSupport
import Testing

/// One vector file for all suites of RFC 9420, and one for X-Wing under the number that its vectors use.
func vectorFiles(_ name: String) -> [String] {
  ["mls/\(name).json", "mls-xwing/\(name)-suite0008-xwing-sha384.json"]
}

extension CipherSuite {
  /// The suite of a vector; the vectors of X-Wing use the number 8.
  init?(vector number: UInt16) {
    if number == 8 {
      self = .xWing(number: 8)
    } else {
      self.init(rawValue: number)
    }
  }
}

/// A case of a vector file that names its suite.
protocol SuiteCase: Decodable {
  var cipher_suite: UInt16 { get }
}

/// The suites of the vectors that are passed over, and why; all others must run.
private let unavailableSuites: [UInt16: String] = [
  4: "needs X448", 6: "needs X448", 9: "needs ML-KEM-768 with P-256", 10: "needs ML-KEM-1024 with P-384",
]

/// Runs `body` for every case whose suite is implemented, and reports how many ran.
///
/// A case of a suite that should be implemented and is not fails the test.
func runVectors<Case: SuiteCase>(
  _ path: String, as: Case.Type, _ body: (Case, CipherSuite) throws -> Void
) throws {
  guard let cases = try Vectors.load(path, as: [Case].self) else { return }
  try runVectors(cases, of: path, body)
}

/// The same for cases that are there. One that throws is said by its number, and the others run.
func runVectors<Case: SuiteCase>(
  _ cases: [Case], of path: String, _ body: (Case, CipherSuite) throws -> Void
) throws {
  var counter = CaseCounter(path)
  for (number, item) in cases.enumerated() {
    guard let suite = CipherSuite(vector: item.cipher_suite) else {
      let reason = try #require(unavailableSuites[item.cipher_suite], "suite \(item.cipher_suite) does not run")
      counter.passOver("suite \(item.cipher_suite): \(reason)")
      continue
    }
    counter.run()
    do { try body(item, suite) } catch { Issue.record(error, "case \(number) of \(path), suite \(item.cipher_suite)") }
  }
  counter.report()
}
