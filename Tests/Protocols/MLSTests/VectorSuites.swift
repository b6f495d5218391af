import CryptoSuite
import TestSupport

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

/// Runs `body` for every case whose suite is implemented, and reports how many ran.
func runVectors<Case: SuiteCase>(
  _ path: String, as: Case.Type, _ body: (Case, CipherSuite) throws -> Void
) throws {
  guard let cases = try Vectors.load(path, as: [Case].self) else { return }
  var counter = CaseCounter(path)
  for item in cases {
    guard let suite = CipherSuite(vector: item.cipher_suite) else {
      let reason = [4, 6].contains(item.cipher_suite) ? "needs X448" : "a hybrid of ML-KEM that is not implemented"
      counter.passOver("suite \(item.cipher_suite): \(reason)")
      continue
    }
    counter.run()
    try body(item, suite)
  }
  counter.report()
}

extension Secret {
  /// A private key of a vector file; some of P-521 are written without their leading zero.
  init(vectorKey bytes: [UInt8], count: Int) {
    self.init([UInt8](repeating: 0, count: max(0, count - bytes.count)) + bytes)
  }
}
