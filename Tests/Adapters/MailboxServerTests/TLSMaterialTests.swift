import Foundation
import MailboxServer
import Testing

struct TLSMaterialTests {
  @Test func `self-made material is kept, readable by its owner only, until it is rotated`() async throws {
    try await withTemporaryFile { file in
      let made = try TLSMaterial.loadOrMake(file: file)
      #expect(made.leafSPKIHash.count == 32)
      let permissions = try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int
      #expect(permissions == 0o600)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == made.leafSPKIHash)
      #expect(try TLSMaterial.load(certificateFile: file, keyFile: file).leafSPKIHash == made.leafSPKIHash)
      let rotated = try TLSMaterial.make(file: file)
      #expect(rotated.leafSPKIHash != made.leafSPKIHash)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == rotated.leafSPKIHash)
      #expect(try FileManager.default.contentsOfDirectory(atPath: (file as NSString).deletingLastPathComponent).count == 1)
    }
  }

  @Test func `files that are missing, empty or foreign are refused`() async throws {
    try await withTemporaryFile { file in
      #expect(throws: TLSMaterialError.unusable([.noCertificate, .noKey])) { try TLSMaterial.load(certificateFile: file, keyFile: file) }
      try Data("no certificate".utf8).write(to: URL(filePath: file))
      #expect(throws: TLSMaterialError.unusable([.noCertificate, .noKey])) { try TLSMaterial.loadOrMake(file: file) }
      #expect(throws: TLSMaterialError.self) { try TLSMaterial.make(file: file + "/below/a/file") }
    }
  }

  @Test func `every fault of a certificate's files is named`() async throws {
    try await withTemporaryFile { file in
      let (other, text) = (file + ".other", file + ".text")
      _ = try TLSMaterial.make(file: file)
      _ = try TLSMaterial.make(file: other)
      try Data("no certificate".utf8).write(to: URL(filePath: text))
      func faults(_ certificate: String, _ key: String) -> [TLSFileFault]? {
        do throws(TLSMaterialError) { _ = try TLSMaterial.load(certificateFile: certificate, keyFile: key) } catch {
          if case .unusable(let faults) = error { return faults }
        }
        return nil
      }
      #expect(faults(file, file) == nil)
      for bad in [text, "/nowhere"] {
        #expect(faults(bad, file) == [.noCertificate])
        #expect(faults(file, bad) == [.noKey])
        #expect(faults(bad, bad) == [.noCertificate, .noKey])
      }
      #expect(faults(file, other) == [.notOfOneKind])
      // Whatever the mask of new files is.
      try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: other)
      #expect(faults(other, other) == [.keyExposed])
      #expect(faults(text, other) == [.noCertificate, .keyExposed])
    }
  }

  @Test func `a self-made certificate is replaced, with its key, when it ends within a month`() async throws {
    try await withTemporaryFile { file in
      let made = try TLSMaterial.loadOrMake(file: file)
      let month: UInt64 = 30 * 86_400
      #expect(try TLSMaterial.loadOrMake(file: file, now: made.notAfter - month).leafSPKIHash == made.leafSPKIHash)
      let next = try TLSMaterial.loadOrMake(file: file, now: made.notAfter - month + 1)
      #expect(next.leafSPKIHash != made.leafSPKIHash)
      #expect(try TLSMaterial.loadOrMake(file: file).leafSPKIHash == next.leafSPKIHash)
      #expect(made.daysLeft(now: made.notAfter) == 0)
    }
  }

  @Test func `a key that is not the certificate's is refused`() async throws {
    try await withTemporaryFile { file in
      let other = file + ".other"
      _ = try TLSMaterial.make(file: file)
      _ = try TLSMaterial.make(file: other)
      #expect(throws: TLSMaterialError.unfit) {
        let mixed = try TLSMaterial.load(certificateFile: file, keyFile: other)
        _ = try MailboxServer(application: EchoApplication(), tls: mixed)
      }
    }
  }
}
