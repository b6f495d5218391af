import SottoServer

@main
enum Program {
  static func main() async { await SottoServerCommand.main() }
}
